"""What `chorus translate` was told, in; why it cannot be done so, and where sound goes, out."""

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path

from serve_app.transcript.languages import code_of

_UNSET: Mapping[str, object] = {
    "both": False, "voice": None, "mute": False, "headphones": False, "device": None,
    "format": "text", "output": None, "speakers": False, "pnc": None, "channel": None,
    "hotword": [], "numbers": False, "profanity_filter": False, "timings": False,
}  # fmt: skip
_OF_SPEECH = ("both", "voice")
_OF_MICROPHONE = ("mute", "headphones", "device")
_OF_TEXTS = tuple(name for name in _UNSET if name not in (*_OF_SPEECH, *_OF_MICROPHONE))
_OF_SOUND = ("voice", "headphones")


def problem(args: argparse.Namespace) -> str:
    """Why the arguments do not go together; empty where they do. None is ignored in silence."""
    speaks = not args.files or args.speech is not None
    complaints = []
    if args.files:
        complaints += _given(args, _OF_MICROPHONE, "is of the microphone: it needs no FILE")
    if not speaks:
        complaints += _given(args, _OF_SPEECH, "is of speech: it needs --speech, or no FILE")
    if speaks:
        complaints += _given(args, _OF_TEXTS, "is of files' texts: of speech there is text alone")
    if args.mute:
        complaints += _given(args, _OF_SOUND, "has nothing to do with --mute")
    if args.both and args.language is None:
        complaints.append("--both needs --from and --to")
    if args.speech is not None:
        complaints.append(_problem_of_folder(args) if args.files else "--speech needs files")
    return next(filter(None, complaints), "")


def spoken_path(path: Path, args: argparse.Namespace) -> Path:
    """Where the sound of a translation goes: of `talk.wav` that is `talk.ru.wav`."""
    target = code_of(args.target_language or "en")
    languages = f"{code_of(args.language)}-{target}" if args.both else target
    folder: Path = args.speech
    return folder / f"{path.stem}.{languages}.wav"


def _given(args: argparse.Namespace, names: Iterable[str], complaint: str) -> list[str]:
    given = (name for name in names if getattr(args, name) != _UNSET[name])
    return [f"--{name.replace('_', '-')} {complaint}" for name in given]


def _problem_of_folder(args: argparse.Namespace) -> str:
    targets = [spoken_path(path, args) for path in args.files]
    if len(set(targets)) < len(targets):
        return "--speech: two of the files have the same name"
    for target in targets:
        if any(_is_same(target, path) for path in args.files):
            return f"--speech: {target} is one of the files, and would be overwritten"
    try:
        args.speech.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return f"--speech {args.speech}: {error.strerror}"
    return ""


def _is_same(one: Path, other: Path) -> bool:
    """By whatever names."""
    return one.exists() and other.exists() and one.samefile(other)
