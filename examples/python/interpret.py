"""Speech to speech: `python interpret.py FILE --to ru --output said.wav [--from en] [--url URL]`.

Any file that FFmpeg reads; here it is decoded by PyAV, and sent as fast as the server takes it.
"""

import argparse
import asyncio
import io
import json
import wave

import av
from websockets.asyncio.client import ClientConnection, connect

RATE_HZ = 16_000


def pcm_of(path: str) -> bytes:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
    pcm = bytearray()
    with av.open(path) as container:
        for frame in [*container.decode(audio=0), None]:
            for resampled in resampler.resample(frame):
                pcm += resampled.to_ndarray().tobytes()
    return bytes(pcm)


async def speak(socket: ClientConnection, pcm: bytes) -> None:
    for start in range(0, len(pcm), 3200):
        await socket.send(pcm[start : start + 3200])
    await socket.send(b"")  # that was all; the server tells the rest, then closes


async def main(args: argparse.Namespace) -> None:
    address = args.url.replace("http", "ws", 1) + "/ws/translate"
    async with connect(address) as socket, asyncio.TaskGroup() as group:
        wanted = {"src": args.source, "tgt": args.to, "sample_rate": RATE_HZ}
        await socket.send(json.dumps({**wanted, "source_text": True, "events": True}))
        group.create_task(speak(socket, pcm_of(args.file)))
        with wave.open(args.output, "wb") as output:
            async for message in socket:
                if isinstance(message, bytes):  # one sentence, a whole WAV
                    with wave.open(io.BytesIO(message)) as sentence:
                        if output.getnframes() == 0:
                            output.setparams(sentence.getparams())
                        output.writeframes(sentence.readframes(sentence.getnframes()))
                    continue
                event = json.loads(message)
                if event["type"] == "translation":
                    print(event["source_text"], "→", event["text"])
                elif event["type"] in ("failed", "error"):
                    print(event["error"]["message"])


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("file")
parser.add_argument("--from", dest="source", default="en")
parser.add_argument("--to", default="ru")
parser.add_argument("--output", default="said.wav")
parser.add_argument("--url", default="http://127.0.0.1:8000")
asyncio.run(main(parser.parse_args()))
