"""A recording as if it were spoken now, its words as they come: `python live.py WAV [--url URL]`.

The client comes back by itself when the connection breaks, and loses no word.
"""

import argparse
import asyncio
import wave

from serve_app.client import LiveStream

BLOCK_S = 0.1


async def speak(stream: LiveStream, path: str, speed: float) -> None:
    with wave.open(path) as wav:
        assert (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) == (16_000, 1, 2)
        while pcm := wav.readframes(round(16_000 * BLOCK_S)):
            await stream.send(pcm)
            await asyncio.sleep(BLOCK_S / speed)
    await stream.finish()


async def main(path: str, url: str, speed: float) -> None:
    async with LiveStream(url, language="en") as stream, asyncio.TaskGroup() as group:
        group.create_task(speak(stream, path, speed))
        async for text in stream:
            print(f"{text.confirmed}|{text.unsure}")


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("wav", help="16-bit PCM, mono, 16 kHz")
parser.add_argument("--url", default="http://127.0.0.1:8000")
parser.add_argument("--speed", type=float, default=1.0)
args = parser.parse_args()
asyncio.run(main(args.wav, args.url, args.speed))
