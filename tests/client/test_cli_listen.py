"""`chorus listen`: what it writes where, how it ends, what it says of a machine without ears."""

import asyncio
import itertools
import re
import signal
import subprocess
import sys
import threading
import types
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from serve_app.cli import main
from serve_app.cli.listen.microphone import microphone
from serve_app.cli.listen.recording import duration_s, read_recording
from serve_app.cli.listen.screen import Lines, LiveLine
from serve_app.client import LiveText
from tests.client.live_site import LiveSite, live_site, noise

SAMPLES = Path(__file__).parents[2] / "tiny" / "samples"


@pytest.fixture(scope="module")
def site() -> Iterator[LiveSite]:
    """On a loop and a thread of its own: commands have theirs."""
    found: list[LiveSite] = []
    is_up, loop = threading.Event(), asyncio.new_event_loop()
    leaving = asyncio.Event()

    async def serve() -> None:
        async with live_site(num_slots=8) as each:
            found.append(each)
            is_up.set()
            await leaving.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=[serve()])
    thread.start()
    assert is_up.wait(10)
    yield found[0]
    loop.call_soon_threadsafe(leaving.set)
    thread.join(10)
    loop.close()


@pytest.fixture(autouse=True)
def _at_the_site(site: LiveSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHORUS_URL", site.url)
    monkeypatch.delenv("CHORUS_API_KEY", raising=False)


@pytest.fixture
def recording(tmp_path: Path) -> Callable[[float], Path]:
    def write(length_s: float) -> Path:
        path = tmp_path / "noise.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(noise(length_s))
        return path

    return write


def test_lines_say_what_is_final_once_and_what_may_still_change(recording, capsys):
    assert main(["listen", str(recording(6.0)), "--speed", "20"]) == 0
    out, err = capsys.readouterr()
    lines = [line.split(maxsplit=1) for line in out.splitlines()]
    assert {kind for kind, _ in lines} == {"[PARTIAL]", "[FINAL]"}
    finals = [text for kind, text in lines if kind == "[FINAL]"]
    assert len(" ".join(finals).split()) == 75
    assert len(finals) == 2
    for (kind, text), (_, after) in itertools.pairwise(lines):
        *confirmed, _ = text.split() if kind == "[PARTIAL]" else [""]
        assert after.split()[: len(confirmed)] == confirmed
    assert re.search(r"6\.0 s of audio; text \d+ ms after it .* final text \d+ ms after", err)


def test_a_crowd_is_summed_up_and_hears_one_text(recording, capsys):
    path = recording(3.0)
    assert main(["listen", str(path), "--speed", "inf", "--clients", "5"]) == 0
    out, err = capsys.readouterr()
    assert re.fullmatch(r"5 × .+\n", out)
    assert "text after its audio" in err
    assert re.search(r"^5 +15\.0 ", err, re.MULTILINE)


def test_who_of_a_crowd_found_no_place_is_counted(recording, capsys):
    assert main(["listen", str(recording(3.0)), "--clients", "10"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("8 × ")
    assert "2 of 10 failed" in err


def test_ctrl_c_ends_the_audio_and_the_last_words_are_written(recording):
    command = [sys.executable, "-m", "serve_app.cli", "listen", str(recording(120.0))]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    first = child.stdout.readline()
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=20)
    assert first.startswith("[PARTIAL] ")
    assert out.splitlines()[-1].startswith("[FINAL] ")
    assert "s of audio" in err
    assert child.returncode == 0


def test_what_no_server_can_mend_is_said_in_a_line(recording, tmp_path, capsys):
    no_sound = tmp_path / "notes.txt"
    no_sound.write_text("nothing to hear")
    path = str(recording(0.1))
    for arguments, words in [
        ([str(no_sound)], "notes.txt"),
        ([str(tmp_path / "gone.wav")], "No such file"),
        ([path, "--model", "recordings"], "live"),
        ([path, "--url", "http://127.0.0.1:9"], "chorus serve"),
    ]:
        assert main(["listen", *arguments]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line
    assert main(["listen", "--clients", "2"]) == 2


def test_recordings_of_any_container_are_streamed_at_16_khz():
    texts = sorted(SAMPLES.glob("digits-*"))
    lengths_s = {path.suffix: duration_s(read_recording(path)) for path in texts}
    assert set(lengths_s) == {".flac", ".m4a", ".mp3", ".ogg", ".wav", ".webm"}
    assert all(1.0 < length_s < 20.0 for length_s in lengths_s.values())


def test_without_its_package_the_microphone_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    for arguments in ([], ["--list-devices"]):
        assert main(["listen", *arguments]) == 1
        assert "pip install 'chorus-speech[mic]'" in capsys.readouterr().err


class PortAudioError(Exception):
    pass


class _Stream:
    def __init__(self, callback, blocksize: int, samplerate: int, **_: object) -> None:
        tone = np.sin(np.arange(samplerate) * 2 * np.pi * 440 / samplerate) * 8000
        self.blocks = tone.astype(np.int16).reshape(-1, blocksize)
        self.callback = callback

    def __enter__(self) -> None:
        for block in self.blocks:
            self.callback(block.tobytes(), len(block), None, None)

    def __exit__(self, *_: object) -> None:
        pass


def sounddevice(*rates_hz: int) -> types.ModuleType:
    """As the package looks to us, with one device of these rates; none without rates."""
    module = types.ModuleType("sounddevice")

    def query_devices(device: object = None, kind: str | None = None) -> object:
        if kind is None:
            return [{"max_input_channels": 1}] if rates_hz else []
        if not rates_hz:
            raise PortAudioError("Error querying device -1")
        if device == "USB":
            raise ValueError("No input device matching 'USB'")
        return {"default_samplerate": float(rates_hz[0])}

    def check_input_settings(device: object, samplerate: int, **_: object) -> None:
        if samplerate not in rates_hz:
            raise PortAudioError("Invalid sample rate")

    module.query_devices, module.check_input_settings = query_devices, check_input_settings
    module.RawInputStream, module.PortAudioError = _Stream, PortAudioError
    return module


@pytest.mark.parametrize("rate_hz", [16_000, 48_000])
def test_a_microphone_of_any_rate_is_heard_at_16_khz(rate_hz, monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", sounddevice(rate_hz))

    async def first_samples() -> np.ndarray:
        heard = b""
        async for block in microphone(None):
            if len(heard := heard + block) >= 2 * 12_800:
                return np.frombuffer(heard, np.int16)

    samples = asyncio.run(first_samples())
    power = np.abs(np.fft.rfft(samples[1000:9000]))
    assert power.argmax() * 16_000 / 8000 == pytest.approx(440, abs=2)
    assert samples.max() == pytest.approx(8000, rel=0.05)


def test_a_machine_without_a_microphone_is_told_apart_from_a_wrong_name(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sounddevice", sounddevice())
    assert main(["listen"]) == main(["listen", "--list-devices"]) == 1
    assert capsys.readouterr().err.count("no microphone") == 2
    monkeypatch.setitem(sys.modules, "sounddevice", sounddevice(16_000))
    assert main(["listen", "--device", "USB"]) == 1
    assert "--list-devices" in capsys.readouterr().err


class _Terminal:
    def __init__(self) -> None:
        self.written = ""

    def write(self, text: str) -> None:
        self.written += text

    def flush(self) -> None:
        pass

    @property
    def shown(self) -> list[str]:
        """Lines as a reader sees them."""
        lines = [line.rpartition("\r\x1b[K")[2] for line in self.written.split("\n")]
        return [re.sub(r"\x1b\[\d*m", "", line) for line in lines]


def test_the_live_line_never_wraps_and_no_word_is_written_twice_or_lost():
    terminal = _Terminal()
    screen = LiveLine(terminal, width=20)
    words = [f"word{index}" for index in range(30)]
    for index in range(1, len(words)):
        screen.show(LiveText(" ".join(words[:index]), f" {words[index].upper()} and more"))
    screen.show(LiveText(" ".join(words), "", is_final=True))
    screen.close()
    assert " ".join(terminal.shown).split() == words
    assert max(map(len, terminal.shown)) < 20


TAKEN_BACK = [
    LiveText("so far", " and", num_settled=0),
    LiveText("so far", " and", num_settled=6),
    LiveText("so far", "", num_settled=6),
    LiveText("so far", "", num_settled=6, is_final=True),
]
"""A segment of which the last word comes to nothing."""


def test_words_that_come_to_nothing_leave_the_live_line():
    terminal = _Terminal()
    screen = LiveLine(terminal, width=20)
    for text in TAKEN_BACK[:2]:
        screen.show(text)
    assert terminal.shown == ["so far and"]
    screen.show(TAKEN_BACK[2])
    assert terminal.shown == ["so far"]


def test_words_that_come_to_nothing_are_taken_back_where_each_change_is_a_line(capsys):
    screen = Lines(sys.stdout)
    for text in TAKEN_BACK:
        screen.show(text)
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["[PARTIAL] so far and", "[FINAL] so far", "[PARTIAL] and", "[PARTIAL]"]
