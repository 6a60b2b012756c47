"""What `chorus transcribe` shows while it works, and that its texts stay whole beside it."""

import io

import pytest

from serve_app.cli import main

pytestmark = pytest.mark.usefixtures("site")


def test_without_a_terminal_progress_is_plain_lines(recording, capsys):
    files = [str(recording(f"{number}.wav", "x")) for number in range(3)]
    main(["transcribe", *files, "--concurrency", "1"])
    assert capsys.readouterr().err.splitlines() == [f"{n}/3 transcribed" for n in (1, 2, 3)]
    main(["transcribe", *files, "--quiet"])
    assert capsys.readouterr().err == ""


class Writes(io.StringIO):
    """Keeps what is written apart, as an unbuffered stream hands it on."""

    def __init__(self, *, is_terminal: bool = False) -> None:
        super().__init__()
        self.is_terminal = is_terminal
        self.all: list[str] = []

    def write(self, text: str) -> int:
        self.all.append(text)
        return super().write(text)

    def isatty(self) -> bool:
        return self.is_terminal


def test_a_transcript_cannot_come_into_the_middle_of_a_line_of_progress(recording, monkeypatch):
    err = Writes()
    monkeypatch.setattr("sys.stderr", err)
    main(["transcribe", *(str(recording(f"{number}.wav", "x")) for number in range(3))])
    assert sorted(err.all) == [f"{n}/3 transcribed\n" for n in (1, 2, 3)]


def test_where_the_transcripts_are_watched_there_are_no_lines_of_progress(recording, monkeypatch):
    err = Writes()
    monkeypatch.setattr("sys.stderr", err)
    monkeypatch.setattr("sys.stdout", Writes(is_terminal=True))
    main(["transcribe", *(str(recording(f"{number}.wav", "x")) for number in range(3))])
    assert err.all == []


def test_on_a_terminal_progress_is_a_bar_that_leaves_stdout_alone(recording, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    file = str(recording("a.wav", "hello"))
    main(["transcribe", file, file])
    out, err = capsys.readouterr()
    assert out == f"{file}: hello\n" * 2
    assert "transcribing" in err
    assert "\x1b[" in err
