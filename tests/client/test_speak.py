"""`chorus speak` and the client's part of it, on a real socket; who speaks is a script."""

import asyncio
import io
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from serve_app.cli import main
from serve_app.client import Client, ServerError
from serve_app.errors import AtCapacityError, EngineError
from serve_app.ingress.backend.humming import ScriptedVoice, humming
from tests.client.conftest import Site

LONG = "words and more of them, " * 20


def asked(site: Site) -> Any:
    return site.backend.voice.requests[-1][1]


def test_a_text_comes_back_as_its_sound(site: Site) -> None:
    with Client(site.url) as client:
        sound = client.speak("hello", voice="amy", response_format="pcm", speed=2)
    assert sound.data == humming("hello", "amy", 24_000)
    assert (sound.voice, sound.simulated) == ("amy", False)
    assert asked(site).speed == 2


def test_it_comes_piece_by_piece(site: Site) -> None:
    with Client(site.url) as client:
        parts = list(client.speak_in_parts(LONG, response_format="pcm", sample_rate=8000))
    assert len(parts) > 1
    assert b"".join(parts) == humming(LONG, "amy", 8000)


def test_a_server_that_is_full_is_asked_again(site: Site) -> None:
    site.backend.voice = ScriptedVoice([AtCapacityError("full", 1.0)])
    pauses: list[float] = []
    with Client(site.url, sleep=pauses.append) as client:
        assert client.speak("hello").data
    assert len(pauses) == 1


def test_what_is_refused_is_an_error_with_its_code(site: Site) -> None:
    with Client(site.url) as client, pytest.raises(ServerError, match="nobody is called"):
        client.speak("hello", voice="zoe")


def test_voices_are_listed(site: Site) -> None:
    with Client(site.url) as client:
        by_name = {voice.name: voice for voice in client.voices()}
    assert by_name["amy"].is_default
    assert by_name["espeak-ru"].language == "ru"
    assert by_name["espeak-ru"].licence == "GPL-3.0-or-later"


@pytest.mark.parametrize(
    ("name", "format_name"),
    [("a.mp3", "mp3"), ("a.OGG", "opus"), ("a.wav", "wav"), ("a.flac", "flac"), ("a", "mp3")],
)
def test_a_file_has_the_format_that_its_name_ends_in(site, tmp_path, name, format_name) -> None:
    assert main(["speak", "hello", "-o", str(tmp_path / name)]) == 0
    assert asked(site).format == format_name
    assert (tmp_path / name).read_bytes() == humming("hello", "amy", 24_000)


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_a_text_in_another_encoding_is_one_line_of_complaint(capsys, monkeypatch, errors) -> None:
    latin = io.TextIOWrapper(io.BytesIO(b"caf\xe9"), encoding="utf-8", errors=errors)
    monkeypatch.setattr(sys, "stdin", latin)
    assert main(["speak", "-", "-o", "-", "--format", "pcm"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("chorus speak: the text is not UTF-8")


def test_a_text_may_come_by_standard_input_and_its_sound_leave_by_the_other(
    site, capsysbinary, monkeypatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("from a pipe"))
    assert main(["speak", "-", "-o", "-", "--format", "pcm", "--language", "de"]) == 0
    assert capsysbinary.readouterr().out == humming("from a pipe", "espeak-de", 24_000)


def test_a_name_that_says_no_format_is_refused(site, tmp_path, capsys) -> None:
    assert main(["speak", "hello", "-o", str(tmp_path / "a.docx")]) == 2
    assert "name a --format" in capsys.readouterr().err
    assert main(["speak", "hello", "-o", "-"]) == 2
    assert main(["speak"]) == 2


def test_what_breaks_off_in_the_middle_leaves_what_was_there(site, tmp_path, capsys) -> None:
    target = tmp_path / "a.mp3"
    for before in (None, b"of yesterday"):
        at_once = asyncio.Event()
        at_once.set()
        site.backend.voice = ScriptedVoice([at_once, EngineError("espeak", "out of luck")])
        if before is not None:
            target.write_bytes(before)
        assert main(["speak", LONG, "-o", str(target)]) == 1
        assert capsys.readouterr().err
        assert [each.read_bytes() for each in tmp_path.iterdir()] == ([before] if before else [])


def test_a_device_is_written_to_and_not_replaced(site) -> None:
    assert main(["speak", "hello", "-o", os.devnull, "--format", "mp3"]) == 0
    assert Path(os.devnull).is_char_device()


def test_what_the_server_refuses_leaves_no_file(site, tmp_path, capsys) -> None:
    assert main(["speak", "hello", "--voice", "zoe", "-o", str(tmp_path / "a.mp3")]) == 1
    assert "nobody is called 'zoe'" in capsys.readouterr().err
    assert not (tmp_path / "a.mp3").exists()


class Loudspeaker:
    """What `sounddevice` has of one."""

    played = b""

    def __init__(self, **options: object) -> None:
        assert options == {"samplerate": 24_000, "channels": 1, "dtype": "int16"}

    def __enter__(self) -> "Loudspeaker":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def write(self, pcm: bytes) -> None:
        assert len(pcm) % 2 == 0
        Loudspeaker.played += pcm


def test_without_a_file_it_is_played(site, monkeypatch) -> None:
    fake = SimpleNamespace(RawOutputStream=Loudspeaker, PortAudioError=OSError)
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    assert main(["speak", LONG]) == 0
    assert Loudspeaker.played == humming(LONG, "amy", 24_000)


def test_without_the_package_it_is_said_what_to_install(site, monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert main(["speak", "hello"]) == 2
    assert "chorus-speech[mic]" in capsys.readouterr().err


def test_voices_are_a_table_or_json(site, capsys) -> None:
    assert main(["speak", "--list-voices"]) == 0
    table = capsys.readouterr().out
    assert "amy" in table
    assert "espeak-ng, © its contributors" in table
    assert main(["speak", "--list-voices", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["name"] == "espeak-af"
