"""Speech to speech: `python interpret.py FILE --to ru --output said.wav [--from en] [--url URL]`.

Any file that FFmpeg reads; here it is decoded by PyAV, and sent as fast as the server takes it.
"""

import argparse
import asyncio
import wave

import av

from serve_app.client import Conversation

RATE_HZ = 16_000


def pcm_of(path: str) -> bytes:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
    pcm = bytearray()
    with av.open(path) as container:
        for frame in [*container.decode(audio=0), None]:
            for resampled in resampler.resample(frame):
                pcm += resampled.to_ndarray().tobytes()
    return bytes(pcm)


async def speak(talk: Conversation, pcm: bytes) -> None:
    for start in range(0, len(pcm), 3200):
        await talk.send(pcm[start : start + 3200])
    await talk.finish()


async def main(args: argparse.Namespace) -> None:
    mode = f"{args.source}->{args.to}"
    with wave.open(args.output, "wb") as output:
        output.setparams((1, 2, 24_000, 0, "NONE", ""))
        async with (
            Conversation(args.url, mode=mode, source_text=True, output_sample_rate=24_000) as talk,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(speak(talk, pcm_of(args.file)))
            async for told in talk:
                output.writeframes(told.part)  # a sentence, if one is new
                if told.is_done:
                    print(told.problem or f"{told.source_text} → {told.text}")


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("file")
parser.add_argument("--from", dest="source", default="en")
parser.add_argument("--to", default="ru")
parser.add_argument("--output", default="said.wav")
parser.add_argument("--url", default="http://127.0.0.1:8000")
asyncio.run(main(parser.parse_args()))
