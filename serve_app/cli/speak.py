"""`chorus speak`: a text in, its sound out: to a file, to a pipe, or to the loudspeaker."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from serve_app.cli.parsers import Commands, add_command, add_connection, connect, positive_float
from serve_app.cli.tables import print_table
from serve_app.client import Client, VoiceDescription

_EXAMPLES = """\
  chorus speak "Good morning." -o morning.mp3
  chorus speak "Доброе утро" --language ru           played, where there is a loudspeaker
  chorus speak - --voice amy -o book.opus < book.txt
  chorus speak "Go" -o - --format wav | aplay
  chorus speak --list-voices
"""
_FORMATS = ("mp3", "opus", "aac", "flac", "wav", "pcm")
_BY_SUFFIX = {**{f".{name}": name for name in _FORMATS}, ".ogg": "opus", ".raw": "pcm"}
_PLAYED_HZ = 24_000
_STDIO = "-"


class _CannotError(Exception):
    """`str(error)` says what to do about it."""


def add(commands: Commands) -> None:
    parser = add_command(
        commands,
        "speak",
        help="have a text spoken by a running server",
        description="Have a text spoken by a running server, and write the sound to a file as it\n"
        "comes, or play it (with the extra `mic`). Who speaks is found by --voice, else by\n"
        "--language, else by the server.",
        examples=_EXAMPLES,
    )
    parser.add_argument("text", nargs="?", help="what to say; - reads standard input, in UTF-8")
    parser.add_argument("--voice", help="a name that --list-voices shows (default: the server's)")
    parser.add_argument("--language", metavar="CODE", help="of the text: en, de-DE, Russian")
    parser.add_argument("--model", help="a synthesizer that `chorus models` lists")
    parser.add_argument(
        "--speed", type=positive_float, metavar="X", help="0.25 to 4, of the voice's own pace"
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="where to write it, in the format that its name ends in; - is standard output "
        "(default: it is played)",
    )
    parser.add_argument(
        "--format", choices=_FORMATS, help="in place of the one that the file's name ends in"
    )
    parser.add_argument(
        "--sample-rate", type=int, metavar="HZ", help="of the file (default: 24000)"
    )
    parser.add_argument("--list-voices", action="store_true", help="show who is there instead")
    parser.add_argument("--json", action="store_true", help="of --list-voices: print JSON")
    add_connection(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    try:
        with connect(args) as client:
            if args.list_voices:
                return _list(client.voices(), as_json=args.json)
            _speak(client, args)
    except BrokenPipeError:
        raise  # who reads our output has read enough
    except (_CannotError, OSError) as error:
        print(f"chorus speak: {error}", file=sys.stderr)
        return 2
    return 0


def _speak(client: Client, args: argparse.Namespace) -> None:
    text = _text(args.text)
    options = {
        "voice": args.voice,
        "language": args.language,
        "model": args.model,
        "speed": args.speed,
    }
    if args.output is None:
        with _loudspeaker() as play:
            for part in _whole_samples(
                client.speak_in_parts(
                    text, response_format="pcm", sample_rate=_PLAYED_HZ, **options
                )
            ):
                play(part)
        return
    parts = client.speak_in_parts(
        text, response_format=_format(args), sample_rate=args.sample_rate, **options
    )
    _write(parts, args.output)


def _text(given: str | None) -> str:
    if given is None:
        raise _CannotError("say what to say, or - to read it from standard input")
    try:
        text = sys.stdin.read() if given == _STDIO else given
        text.encode()  # bytes that are no text come in as halves of surrogate pairs
    except UnicodeError as error:
        raise _CannotError("the text is not UTF-8; iconv -t utf-8 makes it so") from error
    return text


def _format(args: argparse.Namespace) -> str:
    suffix = Path(args.output).suffix.lower()
    chosen = args.format or _BY_SUFFIX.get(suffix)
    if chosen is None and (suffix or args.output == _STDIO):
        known = ", ".join(sorted(_BY_SUFFIX))
        raise _CannotError(f"{args.output} ends in none of {known}; name a --format")
    return chosen or "mp3"


def _write(parts: Iterator[bytes], output: str) -> None:
    """The file appears whole: of most formats a part would pass for all of it."""
    first = next(parts, b"")
    if output == _STDIO:
        sys.stdout.buffer.write(first)
        for part in parts:
            sys.stdout.buffer.write(part)
        sys.stdout.buffer.flush()
        return
    target = Path(output)
    if target.exists() and not target.is_file():  # a pipe, or a device
        _fill(target, first, parts)
        return
    growing = target.with_name(f"{target.name}.part")
    try:
        _fill(growing, first, parts)
        growing.replace(target)
    finally:
        growing.unlink(missing_ok=True)


def _fill(path: Path, first: bytes, rest: Iterator[bytes]) -> None:
    with path.open("wb") as file:
        file.write(first)
        for part in rest:
            file.write(part)


def _whole_samples(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, cut between samples."""
    rest = b""
    for part in parts:
        rest += part
        num_bytes = len(rest) // 2 * 2
        yield rest[:num_bytes]
        rest = rest[num_bytes:]


@contextmanager
def _loudspeaker() -> Iterator[Any]:
    """What takes PCM16 at `_PLAYED_HZ` and returns when there is room for more."""
    try:
        import sounddevice
    except ModuleNotFoundError as error:
        raise _CannotError(
            "playing needs one more package: pip install 'chorus-speech[mic]' "
            "(or `pip install sounddevice`); -o FILE does without"
        ) from error
    except OSError as error:
        raise _CannotError(
            f"{error}: install PortAudio (Debian and Ubuntu: apt-get install libportaudio2), "
            "or name a file by -o"
        ) from error
    try:
        stream = sounddevice.RawOutputStream(samplerate=_PLAYED_HZ, channels=1, dtype="int16")
    except (sounddevice.PortAudioError, ValueError) as error:
        raise _CannotError(f"nothing here plays sound: {error}; -o FILE does without") from error
    with stream:
        yield stream.write


def _list(voices: Sequence[VoiceDescription], *, as_json: bool) -> int:
    if as_json:
        print(json.dumps([asdict(voice) for voice in voices], indent=2, ensure_ascii=False))
        return 0
    table = Table("voice", "language", "default", "model", "kind", "licence", "simulated")
    for voice in voices:
        cells = (
            voice.name,
            voice.language,
            "yes" if voice.is_default else "–",
            voice.model,
            voice.kind,
            voice.licence or "–",
            "yes" if voice.simulated else "no",
        )
        table.add_row(*map(Text, cells))
    print_table(table)
    for attribution in dict.fromkeys(voice.attribution for voice in voices if voice.attribution):
        print(attribution)
    return 0
