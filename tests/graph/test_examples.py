"""What lies in examples/python, run as a user would."""

import subprocess
import sys
import wave
from pathlib import Path

import pytest

from tests.graph.conftest import ROOT, Server

SAMPLES = ROOT / "tiny" / "samples"


@pytest.fixture
def example(running_server: Server, tmp_path: Path):
    def run(name: str, *arguments: object) -> list[str]:
        script, url = ROOT / "examples/python" / name, running_server.address
        ran = subprocess.run(
            [sys.executable, script, *map(str, arguments), "--url", url],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.splitlines()

    return run


def test_a_file_is_transcribed_with_its_words(example) -> None:
    text, *words = example("transcribe.py", SAMPLES / "digits-1.wav")
    assert text == "nine six five three"
    assert [line.split()[-1] for line in words] == text.split()


def test_a_recording_is_heard_as_if_it_were_spoken_now(example) -> None:
    *partial, final = example("live.py", SAMPLES / "digits-1.wav", "--speed", "8")
    assert final == "nine six five three|"
    assert partial


def test_speech_comes_back_in_another_language(example, tmp_path) -> None:
    said = tmp_path / "said.wav"
    told = example("interpret.py", SAMPLES / "canary/en-1.wav", "--to", "ru", "--output", said)
    assert told == ["Add rice and coffee to the list. → Добавь рис и кофе в список."]
    with wave.open(str(said)) as sound:
        assert sound.getframerate() == 24_000
        assert sound.getnframes() > 12_000


def test_a_batch_of_recordings_is_transcribed(example) -> None:
    files = [SAMPLES / "digits-2.flac", SAMPLES / "digits-3.mp3"]
    texts = dict(line.split("\t") for line in example("batch.py", *files))
    assert texts == {
        str(files[0]): "seven zero two five four two four",
        str(files[1]): "two three eight seven eight one",
    }
