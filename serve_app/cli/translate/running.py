"""What `chorus translate` does where speech is wanted, once its arguments are read."""

import argparse
import asyncio
import signal
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from serve_app.cli.listen.microphone import MicrophoneError, microphone
from serve_app.cli.listen.recording import UnreadableRecordingError, paced, read_recording
from serve_app.cli.listen.streaming import until
from serve_app.cli.parsers import connect
from serve_app.cli.translate.fitting import spoken_path
from serve_app.cli.translate.playing import Player, silent
from serve_app.client import ClientError, ConnectionLostError, Conversation, SpokenTranslation

_RATE_HZ = 24_000
_PAUSE_S = 0.4
"""Between utterances, in a file."""


def run(args: argparse.Namespace) -> int:
    """The exit status: 1 where something failed."""
    try:
        if args.files:
            return asyncio.run(_speak_files(args))
        return asyncio.run(_speak_live(args))
    except MicrophoneError as error:
        print(f"chorus translate: {error}", file=sys.stderr)
        return 1


def _conversation(args: argparse.Namespace, **wanted: Any) -> Conversation:
    source, target = args.language or "auto", args.target_language or "en"
    return Conversation(
        args.url,
        args.api_key,
        mode="auto" if args.both else f"{source}->{target}",
        languages=[source, target] if args.both else None,
        model=args.model,
        voice=args.voice,
        output_sample_rate=_RATE_HZ,
        final_timeout_s=args.timeout,
        **wanted,
    )


async def _speak_files(args: argparse.Namespace) -> int:
    failed = 0
    for path in args.files:
        try:
            failed += await _speak_file(path, args)
        except UnreadableRecordingError as error:  # it names the file
            print(f"chorus translate: {error}", file=sys.stderr)
            failed += 1
        except ClientError as error:
            print(f"chorus translate: {path}: {error}", file=sys.stderr)
            failed += 1
    return int(failed > 0)


async def _speak_file(path: Path, args: argparse.Namespace) -> int:
    """How many of its utterances failed."""
    pcm = await asyncio.to_thread(read_recording, path)
    texts: list[str] = []
    problems: list[str] = []
    sound = bytearray()

    def hear(each: SpokenTranslation) -> None:
        sound.extend(each.part)
        if each.problem and each.is_done:
            problems.append(each.problem)
            print(f"chorus translate: {path}: {each.problem}", file=sys.stderr)
        if each.is_done and each.text:
            texts.append(each.text)
            sound.extend(silent(_PAUSE_S, _RATE_HZ))

    async with _conversation(args) as talk:
        await _converse(talk, paced(pcm, float("inf")), hear)
    head = f"{path}: " if len(args.files) > 1 else ""
    print(head + " ".join(texts), flush=True)
    with wave.open(str(spoken_path(path, args)), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE_HZ)
        file.writeframes(bytes(sound))
    return len(problems)


async def _speak_live(args: argparse.Namespace) -> int:
    problems: list[str] = []
    wanted = {
        "source_text": await asyncio.to_thread(_writes_source, args),
        "half_duplex": not (args.headphones or args.mute),
    }
    with Player(_RATE_HZ, is_mute=args.mute) as player:

        def hear(each: SpokenTranslation) -> None:
            if each.part:
                player.play(each.part)
            elif each.problem and each.is_done:
                problems.append(each.problem)
                print(f"chorus translate: {each.problem}", file=sys.stderr)
            elif each.text and each.is_final and not each.is_done:
                _show(each)

        async with _conversation(args, speech=not args.mute, **wanted) as talk:
            await _converse(talk, until(microphone(args.device), _interrupted()), hear)
            await asyncio.to_thread(player.finish)
    return int(bool(problems))


def _writes_source(args: argparse.Namespace) -> bool:
    """Whether the model writes down what is spoken too: one for live streams does not."""
    if args.model is None:
        return True
    with connect(args) as client:
        named = [each for each in client.models() if args.model in (each.name, *each.aliases)]
    return not any(each.streaming for each in named)


async def _converse(talk: Conversation, source: AsyncIterator[bytes], hear: Any) -> None:
    """Send `source` to its end, and hear what comes back.

    Raises:
        ClientError: the conversation ended before.
    """

    async def read() -> None:
        async for each in talk:
            hear(each)

    async def send() -> None:
        with suppress(ConnectionLostError):  # who reads is told why
            async for block in source:
                await talk.send(block)
            await talk.finish()

    tasks = [asyncio.create_task(read()), asyncio.create_task(send())]
    try:
        await asyncio.wait(tasks, return_when="FIRST_EXCEPTION")
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _show(each: SpokenTranslation) -> None:
    """Both texts; on a terminal what was said is faint."""
    before, behind = ("\x1b[2m", "\x1b[0m") if sys.stdout.isatty() else ("", "")
    if each.source_text:
        print(f"{before}{each.source}: {each.source_text}{behind}")
    print(f"{each.target}: {each.text}", flush=True)


def _interrupted() -> asyncio.Event:
    """Set by the first Ctrl-C; the second does what it always does."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_interrupt() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    loop.add_signal_handler(signal.SIGINT, on_interrupt)
    return stop
