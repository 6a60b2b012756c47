"""Recordings of real people in, a folder of speech with known words out: what the users say.

    python -m loadtest.users.speech FOLDER

Uploads of many lengths and codecs, recordings for live streams, and a long one for jobs. Written
by a process of its own: Locust's are patched by gevent, and load no NumPy.
"""

import argparse
import io
import json
import math
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_INDEX = "index.json"
_SEED = 7
_SPREAD = 0.6
_LONGEST_S = 18.0
"""Lengths are log-normal, as those of utterances are."""
_AROUND_S, _SOMETHING_S = 1.5, 0.1
"""Half a string of digits more than asked for comes, and pauses; no recording is without words."""
_FORMATS = (("wav", "WAV"), ("flac", "FLAC"), ("ogg", "OGG"), ("mp3", "MP3"))


@dataclass(frozen=True, slots=True)
class Spoken:
    """One recording."""

    name: str
    duration_s: float
    words: tuple[str, ...]
    """That people said."""
    simulated: tuple[str, ...] | None = None
    """That the simulated engine makes up of it; None where that hangs on how it is cut."""


@dataclass(frozen=True, slots=True)
class Speech:
    """All of a folder."""

    folder: Path
    clips: tuple[Spoken, ...]
    streams: tuple[Spoken, ...]
    """PCM16LE mono at 16 kHz."""
    long: Spoken

    def content(self, spoken: Spoken) -> bytes:
        return (self.folder / spoken.name).read_bytes()

    def stream(self, number: int, *, at_least_s: float) -> tuple[Spoken, bytes]:
        """One stream: recordings from the `number`th on, one after the other and around again,
        until they last so long; and its PCM."""
        said = [self.streams[number % len(self.streams)]]
        while sum(each.duration_s for each in said) < at_least_s:
            said.append(self.streams[(number + len(said)) % len(self.streams)])
        whole = Spoken(
            name=" + ".join(each.name for each in said),
            duration_s=sum(each.duration_s for each in said),
            words=tuple(word for each in said for word in each.words),
        )
        return whole, b"".join(map(self.content, said))

    @property
    def mean_clip_s(self) -> float:
        return sum(clip.duration_s for clip in self.clips) / len(self.clips)


@dataclass(frozen=True, slots=True)
class Wanted:
    """How the speech shall be; the same gives the same."""

    clip_s: float = 5.0
    """Median of the uploads' lengths."""
    stream_s: float = 8.0
    """At least, of each live stream."""
    long_s: float = 120.0
    """At least, of the recording for jobs."""
    max_chunk_s: float = 30.0
    max_pause_s: float = 2.0
    """How the server cuts: what the simulated engine says hangs on it."""
    num_mixed: int = 36
    """Uploads beside the samples of the repository."""
    num_streams: int = 16


def speech_for(wanted: Wanted, cache: Path = ROOT / ".cache") -> Speech:
    """From the cache where it is there; else made, by another process: some ten seconds.

    Raises:
        subprocess.CalledProcessError: it could not be made.
    """
    key = sha256(Path(__file__).read_bytes() + repr(wanted).encode()).hexdigest()[:12]
    folder = cache / f"speech-{key}"
    if not (folder / _INDEX).is_file():
        options = [f"--{name.replace('_', '-')}={value}" for name, value in asdict(wanted).items()]
        command = [sys.executable, "-m", "loadtest.users.speech", str(folder), *options]
        subprocess.run(command, check=True, cwd=ROOT)
    return load(folder)


def load(folder: Path) -> Speech:
    """Raises OSError: there is none."""
    index = json.loads((folder / _INDEX).read_text())

    def spoken(entry: dict[str, object]) -> Spoken:
        words, simulated = entry["words"], entry["simulated"]
        return Spoken(
            str(entry["name"]),
            float(entry["duration_s"]),  # type: ignore[arg-type]
            tuple(words),  # type: ignore[arg-type]
            None if simulated is None else tuple(simulated),  # type: ignore[arg-type]
        )

    return Speech(
        folder,
        tuple(map(spoken, index["clips"])),
        tuple(map(spoken, index["streams"])),
        spoken(index["long"]),
    )


def write(folder: Path, wanted: Wanted) -> None:
    """The index comes last: a folder without one is not finished."""
    folder.mkdir(parents=True, exist_ok=True)
    clips = [*_samples(folder, wanted), *_mixed(folder, wanted)]
    random.Random(_SEED).shuffle(clips)
    index = {
        "clips": [asdict(clip) for clip in clips],
        "streams": [asdict(stream) for stream in _streams(folder, wanted)],
        "long": asdict(_long(folder, wanted)),
    }
    (folder / _INDEX).write_text(json.dumps(index, indent=1))


def _samples(folder: Path, wanted: Wanted) -> Iterator[Spoken]:
    samples = ROOT / "tiny/samples"
    for entry in json.loads((samples / "samples.json").read_text()):
        upload = (samples / entry["file"]).read_bytes()
        yield _clip(folder, entry["file"], upload, tuple(entry["text"].split()), wanted)


def _mixed(folder: Path, wanted: Wanted) -> Iterator[Spoken]:
    from loadtest.streams.utterances import recording

    rng = random.Random(_SEED)
    for number in range(wanted.num_mixed):
        long_s = rng.lognormvariate(math.log(wanted.clip_s), _SPREAD)
        at_least_s = max(min(long_s, _LONGEST_S) - _AROUND_S, _SOMETHING_S)
        said = recording(number, at_least_s=at_least_s)
        suffix, container = _FORMATS[number % len(_FORMATS)]
        upload = _encoded(said.pcm, container)
        yield _clip(folder, f"mixed-{number}.{suffix}", upload, said.words, wanted)


def _clip(folder: Path, name: str, upload: bytes, words: tuple[str, ...], wanted: Wanted) -> Spoken:
    from serve_app.audio.chunk import Chunker
    from serve_app.audio.decode import heard_blocks
    from serve_app.models.simulated import words_in

    (folder / name).write_bytes(upload)
    chunker = Chunker(max_chunk_s=wanted.max_chunk_s, max_pause_s=wanted.max_pause_s)
    chunks, num_samples = [], 0
    for block in heard_blocks(upload, unheard_s=wanted.max_chunk_s):
        chunks += chunker.push(block)
    chunks += chunker.flush()
    num_samples = sum(len(chunk.samples()) for chunk in chunks)
    simulated = [word.text for chunk in chunks for word in words_in(chunk.samples(), "")]
    return Spoken(name, num_samples / 16_000, words, tuple(simulated))


def _streams(folder: Path, wanted: Wanted) -> Iterator[Spoken]:
    from loadtest.streams.utterances import recording

    for number in range(wanted.num_streams):
        at_least_s = max(wanted.stream_s - _AROUND_S, _SOMETHING_S)
        said = recording(1000 + number, at_least_s=at_least_s)
        name = f"stream-{number}.pcm"
        (folder / name).write_bytes(said.pcm)
        yield Spoken(name, said.duration_s, said.words)


def _long(folder: Path, wanted: Wanted) -> Spoken:
    from loadtest.streams.utterances import recording

    said = recording(2000, at_least_s=wanted.long_s)
    (folder / "long.flac").write_bytes(_encoded(said.pcm, "FLAC"))
    return Spoken("long.flac", said.duration_s, said.words)


def _encoded(pcm: bytes, container: str) -> bytes:
    import numpy as np
    import soundfile  # type: ignore[import-untyped]  # ships no stubs

    file = io.BytesIO()
    soundfile.write(file, np.frombuffer(pcm, "<i2"), 16_000, format=container)
    return file.getvalue()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m loadtest.users.speech", description=__doc__)
    parser.add_argument("folder", type=Path)
    for name, default in asdict(Wanted()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    args = vars(parser.parse_args(argv))
    write(args.pop("folder"), Wanted(**args))
    return 0


if __name__ == "__main__":
    sys.exit(main())
