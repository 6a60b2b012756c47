"""What `chorus listen` does once its arguments are read."""

import argparse
import asyncio
import shutil
import signal
import sys
from collections.abc import AsyncIterator

from serve_app.cli.listen.crowd import run_crowd
from serve_app.cli.listen.microphone import MicrophoneError, device_table, microphone
from serve_app.cli.listen.recording import UnreadableRecordingError, paced, read_recording
from serve_app.cli.listen.screen import screen_for
from serve_app.cli.listen.streaming import Heard, listen, quantile, until
from serve_app.client import LiveStream


def run(args: argparse.Namespace) -> int:
    """The exit status: 1 where nothing can be heard, 2 where the arguments do not go together."""
    try:
        if args.list_devices:
            print(device_table())
            return 0
        if args.file is None and args.clients > 1:
            print("chorus listen: --clients needs a FILE", file=sys.stderr)
            return 2
        pcm = None if args.file is None else read_recording(args.file)
        if args.clients > 1:
            return asyncio.run(run_crowd(lambda: _stream(args), pcm or b"", args))
        return asyncio.run(_listen(args, pcm))
    except (MicrophoneError, UnreadableRecordingError) as error:
        print(f"chorus listen: {error}", file=sys.stderr)
        return 1


async def _listen(args: argparse.Namespace, pcm: bytes | None) -> int:
    source: AsyncIterator[bytes]
    source = microphone(args.device) if pcm is None else paced(pcm, args.speed)
    screen = screen_for(sys.stdout, width=shutil.get_terminal_size().columns)
    try:
        heard = await listen(_stream(args), until(source, _interrupted()), screen.show)
    finally:
        screen.close()
    if not args.quiet:
        print(_times(heard), file=sys.stderr)
    return 0


def _stream(args: argparse.Namespace) -> LiveStream:
    return LiveStream(args.url, args.api_key, model=args.model, language=args.language)


def _interrupted() -> asyncio.Event:
    """Set by the first Ctrl-C; the second does what it always does."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_interrupt() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    loop.add_signal_handler(signal.SIGINT, on_interrupt)
    return stop


def _times(heard: Heard) -> str:
    parts = [f"{heard.audio_s:.1f} s of audio"]
    if heard.latencies_s:
        p50_s, p95_s = (quantile(heard.latencies_s, share) for share in (0.5, 0.95))
        parts.append(f"text {p50_s * 1000:.0f} ms after it (p50), {p95_s * 1000:.0f} ms (p95)")
    parts.append(f"final text {heard.final_s * 1000:.0f} ms after the end")
    if heard.num_returns:
        parts.append(f"connection made again {heard.num_returns} times")
    return "; ".join(parts)
