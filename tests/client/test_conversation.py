"""The client of conversations, and `chorus translate` with speech, against a real server."""

import asyncio
import subprocess
import sys
import threading
import types
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serve_app.cli import main
from serve_app.cli.translate import running
from serve_app.cli.translate.playing import Player
from serve_app.client import (
    ClientError,
    ConnectionLostError,
    Conversation,
    SpokenTranslation,
    StreamEndedError,
)
from serve_app.errors import EngineError
from serve_app.ingress.backend.fake import ScriptedBackend
from serve_app.ingress.backend.humming import humming
from serve_app.pipelines.streaming.fake import FakeHost
from serve_app.transcript.types import Segment
from tests.client.live_site import noise
from tests.ingress.wires.translate.site import Site, new_site

SCRIPT = (Segment("Раз два.", 0.0, 1.0), Segment("Три.", 1.0, 2.0))
TEXT = "Раз два. Три."
SOUND = humming("Раз два.", "ivan", 24_000) + humming("Три.", "ivan", 24_000)
TALK = noise(0.6, 1) + bytes(32_000) + noise(0.6, 2) + bytes(32_000)
LIMIT_S = 30


class Served:
    """A site on a loop and a thread of its own: commands have theirs."""

    def __init__(self, backend: ScriptedBackend) -> None:
        self._backend = backend
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self.site: Site

    def __enter__(self) -> "Served":
        self._thread.start()
        self.site = self._run(new_site(self._backend))
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self.site.server.__aexit__())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        return f"http://{self.site.server.host}"

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(LIMIT_S)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with Served(ScriptedBackend(SCRIPT)) as each:
        yield each


def heard(url: str, pcm: bytes, **wanted: Any) -> list[SpokenTranslation]:
    async def converse() -> list[SpokenTranslation]:
        async with asyncio.timeout(LIMIT_S), Conversation(url, **wanted) as talk:
            await talk.send(pcm)
            await talk.finish()
            return [each async for each in talk]

    return asyncio.run(converse())


def test_a_client_hears_texts_sounds_and_how_long_they_took(served: Served) -> None:
    told = heard(served.url, TALK, mode="en->ru", source_text=True)
    assert [each.utterance for each in told] == [0] * 4 + [1] * 4
    for text, first, second, done in (told[:4], told[4:]):
        assert (text.source, text.target, text.text, text.source_text) == ("en", "ru", TEXT, TEXT)
        assert text.part == b""
        assert first.part + second.part == SOUND
        assert first.sample_rate == 24_000
        assert done.is_done
        assert done.text == TEXT
        assert done.text_s is not None
        assert done.sound_s is not None
        assert 0 <= done.text_s <= done.sound_s
    assert told[0].start_s < told[0].end_s < told[4].start_s


def test_what_the_server_refuses_is_told_with_its_reason(served: Served) -> None:
    with pytest.raises(StreamEndedError, match=r"nobody is called.*\(1008\)"):
        heard(served.url, TALK, mode="en->ru", voice="nobody")
    with pytest.raises(ClientError):
        heard("http://127.0.0.1:1", TALK, mode="en->ru")


def test_an_utterance_that_fails_says_why() -> None:
    with Served(ScriptedBackend([EngineError("pretender", "no")])) as served:
        told = heard(served.url, TALK, mode="en->ru")
    assert [each.is_done for each in told] == [True, True]
    assert all("pretender failed" in each.problem for each in told)


def test_a_conversation_that_is_over_takes_no_more(served: Served) -> None:
    async def converse() -> None:
        async with Conversation(served.url, mode="en->ru") as talk:
            await talk.finish()
            assert not [each async for each in talk]
            with pytest.raises(ConnectionLostError):
                await talk.send(TALK)

    asyncio.run(converse())


def recording(path: Path) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(TALK)
    return path


def test_files_are_spoken_into_a_folder(served: Served, tmp_path, capsys) -> None:
    files = [str(recording(tmp_path / name)) for name in ("one.wav", "two.wav")]
    spoken = tmp_path / "spoken"
    asked = ["translate", *files, "--from", "en", "--to", "ru", "--speech", str(spoken)]
    assert main([*asked, "--url", served.url]) == 0
    assert capsys.readouterr().out == "".join(f"{file}: {TEXT} {TEXT}\n" for file in files)
    for name in ("one.ru.wav", "two.ru.wav"):
        with wave.open(str(spoken / name)) as file:
            assert file.getframerate() == 24_000
            sound = file.readframes(file.getnframes())
        pause = bytes(2 * 9600)
        assert sound == (SOUND + pause) * 2


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--both"], "--both needs"),
        (["--speech", "somewhere"], "--speech needs files"),
        (["a.wav", "b/a.wav", "--speech", "DIR"], "the same name"),
        (["a.wav", "--speech", "DIR", "--format", "srt"], "--format is of files' texts"),
        (["a.wav", "--speech", "DIR", "--channel", "1"], "--channel is of files' texts"),
        (["--from", "en", "--profanity-filter"], "--profanity-filter is of files' texts"),
        (["a.wav", "--from", "en", "--both"], "--both is of speech"),
        (["a.wav", "--voice", "anna"], "--voice is of speech"),
        (["a.wav", "--mute"], "--mute is of the microphone"),
        (["a.wav", "--speech", "DIR", "--device", "3"], "--device is of the microphone"),
        (["a.wav", "--speech", "DIR", "--headphones"], "--headphones is of the microphone"),
        (["--mute", "--voice", "anna"], "--voice has nothing to do with --mute"),
    ],
)
def test_arguments_that_do_not_go_together_are_named(
    arguments, complaint, tmp_path, capsys
) -> None:
    arguments = [str(tmp_path) if each == "DIR" else each for each in arguments]
    assert main(["translate", *arguments]) == 2
    assert complaint in capsys.readouterr().err


def test_no_recording_is_overwritten_by_its_translation(served: Served, tmp_path, capsys) -> None:
    file = recording(tmp_path / "one.wav")
    before = file.read_bytes()
    asked = ["translate", str(file), "--speech", str(tmp_path), "--url", served.url]
    assert main([*asked, "--from", "en", "--to", "Russian"]) == 0
    assert sorted(each.name for each in tmp_path.iterdir()) == ["one.ru.wav", "one.wav"]
    assert file.read_bytes() == before
    assert main([*asked, "--from", "en", "--to", "ru", "--both"]) == 0
    assert (tmp_path / "one.en-ru.wav").exists()
    linked = tmp_path / "linked.wav"
    linked.symlink_to(tmp_path / "one.ru.wav")
    asked.insert(1, str(linked))
    assert main([*asked, "--from", "en", "--to", "ru"]) == 2
    assert "one.ru.wav is one of the files" in capsys.readouterr().err


def test_a_file_that_is_none_is_reported_and_the_others_go_on(
    served: Served, tmp_path, capsys
) -> None:
    good = str(recording(tmp_path / "one.wav"))
    files = [str(tmp_path / "none.wav"), good, "--speech", str(tmp_path / "out")]
    assert main(["translate", *files, "--from", "en", "--to", "ru", "--url", served.url]) == 1
    told = capsys.readouterr()
    assert told.err.count("none.wav") == 1
    assert TEXT in told.out


class Loudspeaker:
    """`sounddevice.RawOutputStream`, as far as it is used."""

    played = b""

    def __init__(self, **_: Any) -> None:
        pass

    def __enter__(self) -> "Loudspeaker":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def write(self, pcm: bytes) -> None:
        Loudspeaker.played += pcm


def test_what_the_microphone_hears_is_shown_and_played(served: Served, monkeypatch, capsys) -> None:
    async def microphone(device: str | None):
        assert device == "USB"
        yield TALK[: len(TALK) // 2]

    monkeypatch.setattr("serve_app.cli.translate.running.microphone", microphone)
    sounddevice = types.SimpleNamespace(RawOutputStream=Loudspeaker)
    monkeypatch.setitem(sys.modules, "sounddevice", sounddevice)
    Loudspeaker.played = b""
    asked = ["translate", "--from", "en", "--to", "ru", "--device", "USB", "--url", served.url]
    assert main(asked) == 0
    assert capsys.readouterr().out == f"en: {TEXT}\nru: {TEXT}\n"
    assert Loudspeaker.played == SOUND


def test_a_loudspeaker_that_goes_away_holds_up_nobody(monkeypatch, capsys) -> None:
    class Gone(Loudspeaker):
        def write(self, pcm: bytes) -> None:
            raise OSError("unplugged")

    sounddevice = types.SimpleNamespace(RawOutputStream=Gone)
    monkeypatch.setitem(sys.modules, "sounddevice", sounddevice)
    with Player(24_000, is_mute=False) as player:
        for _ in range(1000):
            player.play(b"\0\0")
        finishing = threading.Thread(target=player.finish, daemon=True)
        finishing.start()
        finishing.join(LIMIT_S)
        assert not finishing.is_alive()
    assert capsys.readouterr().err.count("unplugged") == 1


def test_a_model_for_live_streams_is_asked_for_its_own_text_alone(monkeypatch, capsys) -> None:
    async def microphone(device: str | None):
        yield TALK[: len(TALK) // 2]

    monkeypatch.setattr("serve_app.cli.translate.running.microphone", microphone)
    with Served(ScriptedBackend(SCRIPT, hosts={"interpreter": FakeHost()})) as served:
        asked = ["translate", "--from", "en", "--to", "ru", "--mute", "--model", "interpreter"]
        assert main([*asked, "--url", served.url]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("ru: ru")


def test_what_fails_shows_in_the_exit_status(tmp_path, monkeypatch, capsys) -> None:
    async def microphone(device: str | None):
        yield TALK

    monkeypatch.setattr("serve_app.cli.translate.running.microphone", microphone)
    with Served(ScriptedBackend([EngineError("pretender", "no")])) as served:
        asked = ["translate", "--from", "en", "--to", "ru", "--url", served.url]
        file = str(recording(tmp_path / "one.wav"))
        assert main([*asked, file, "--speech", str(tmp_path / "out")]) == 1
        assert main([*asked, "--mute"]) == 1
    assert capsys.readouterr().err.count("pretender failed") == 4


def test_a_reader_that_dies_stops_who_sends(served: Served) -> None:
    async def speaking():
        while True:
            yield TALK
            await asyncio.sleep(0.01)

    def closed_pipe(each: SpokenTranslation) -> None:
        raise BrokenPipeError

    async def converse() -> None:
        async with asyncio.timeout(LIMIT_S), Conversation(served.url, mode="en->ru") as talk:
            await running._converse(talk, speaking(), closed_pipe)

    with pytest.raises(BrokenPipeError):
        asyncio.run(converse())


def test_a_machine_without_ears_says_what_to_install(tmp_path) -> None:
    asked = [sys.executable, "-m", "serve_app.cli", "translate", "--to", "ru", "--mute"]
    run = subprocess.run(
        [*asked, "--url", "http://127.0.0.1:1"], capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 1
    assert "chorus translate:" in run.stderr
