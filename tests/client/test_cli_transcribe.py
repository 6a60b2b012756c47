"""`chorus transcribe` and `chorus models`: what they write where, and how they end."""

import json
import signal
import socket
import subprocess
import sys

import pytest

from serve_app.cli import main
from serve_app.errors import AtCapacityError, UndecodableAudioError
from serve_app.pipelines.transcription import Wording

pytestmark = pytest.mark.usefixtures("site")


def test_the_text_of_one_file_is_all_that_stdout_gets(recording, capsys):
    assert main(["transcribe", str(recording("a.wav", "hello there"))]) == 0
    out, err = capsys.readouterr()
    assert out == "hello there\n"
    assert err == ""


def test_several_texts_come_in_the_order_of_the_files_whichever_is_ready_first(
    site, recording, capsys
):
    files = [str(recording(f"{name}.wav", name)) for name in ("slow", "quick", "last")]
    site.backend.waits_for[b"slow"] = b"last"
    assert main(["transcribe", *files, "--concurrency", "2"]) == 0
    slow, quick, last = files
    assert capsys.readouterr().out == f"{slow}: slow\n{quick}: quick\n{last}: last\n"


@pytest.mark.parametrize(
    ("response_format", "expected"),
    [
        ("text", "one two\n"),
        ("srt", "1\n00:00:00,000 --> 00:00:02,000\none two\n\n"),
        ("vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\none two\n\n"),
    ],
)
def test_each_text_format_is_written_as_it_is(recording, capsys, response_format, expected):
    main(["transcribe", str(recording("a.wav", "one two")), "--format", response_format])
    assert capsys.readouterr().out.rstrip("\n") == expected.rstrip("\n")


def test_json_of_several_files_is_a_line_each_with_its_file(recording, capsys):
    files = [str(recording("a.wav", "one")), str(recording("b.wav", "zwei ü"))]
    main(["transcribe", *files, "--format", "json"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["file"], line["text"]) for line in lines] == [
        (files[0], "one"),
        (files[1], "zwei ü"),
    ]


def test_verbose_json_of_one_file_is_the_servers_own(recording, capsys):
    main(["transcribe", str(recording("a.wav", "one\ntwo")), "--format", "verbose_json"])
    body = json.loads(capsys.readouterr().out)
    assert [segment["text"] for segment in body["segments"]] == ["one", "two"]
    assert "file" not in body


def test_model_and_language_reach_the_server(site, recording):
    main(["transcribe", str(recording("a.wav", "x")), "--model", "tiny", "--language", "German"])
    request = site.backend.calls[0].request
    assert (request.model, request.options.language) == ("parakeet-tiny", "de")


def test_hot_words_and_wording_reach_the_server(site, recording, capsys):
    file = str(recording("a.wav", "x"))
    main(["transcribe", file, "--hotword", "Ada Lovelace", "--hotword", "Bob", "--numbers"])
    request = site.backend.calls[0].request
    assert request.options.hotwords == ("Ada Lovelace", "Bob")
    assert request.wording == Wording(numbers=True)
    assert main(["transcribe", file, "--profanity-filter"]) == 1
    assert "preprocessor.profanity_file" in capsys.readouterr().err


def test_a_translation_is_asked_for_by_either_command(site, recording, capsys):
    file = str(recording("a.wav", "hallo"))
    main(["transcribe", file, "--task", "translate", "--target-language", "de", "--no-pnc"])
    main(["translate", file, "--to", "German", "--pnc", "--language", "en"])
    main(["translate", file])
    main(["transcribe", file, "--model", "canary-tiny"])
    options = [call.request.options for call in site.backend.calls]
    assert [(each.language, each.target_language, each.pnc) for each in options] == [
        (None, "de", False),
        ("en", "de", True),
        (None, "en", True),
        (None, None, True),
    ]
    assert {call.request.model for call in site.backend.calls} == {"canary-tiny"}
    assert capsys.readouterr().out == "hallo\n" * 4


def test_what_no_model_translates_is_said(recording, capsys):
    file = str(recording("a.wav", "x"))
    assert main(["translate", file, "--to", "xx"]) == 1
    err = capsys.readouterr().err
    assert f"chorus translate: {file}: canary-tiny does not translate to 'xx'" in err
    assert "en to de" in err


def test_output_writes_a_file_for_each_and_nothing_to_stdout(recording, tmp_path, capsys):
    files = [str(recording("a.wav", "one")), str(recording("b.b.mp3", "two"))]
    folder = tmp_path / "new" / "texts"
    assert main(["transcribe", *files, "--output", str(folder)]) == 0
    assert (folder / "a.txt").read_text() == "one\n"
    assert (folder / "b.b.txt").read_text() == "two\n"
    assert capsys.readouterr().out == ""


def test_the_suffix_of_an_output_follows_its_format(recording, tmp_path):
    file = str(recording("a.wav", "one"))
    for response_format in ("json", "verbose_json", "srt", "vtt"):
        main(["transcribe", file, "--format", response_format, "--output", str(tmp_path)])
    assert json.loads((tmp_path / "a.json").read_text())["duration"] == 2.0
    assert (tmp_path / "a.srt").read_text().startswith("1\n")
    assert (tmp_path / "a.vtt").read_text().startswith("WEBVTT")


def test_two_files_that_would_become_one_are_refused_before_any_is_sent(
    site, recording, tmp_path, capsys
):
    files = [str(recording("a.wav", "one")), str(recording("a.mp3", "two"))]
    assert main(["transcribe", *files, "--output", str(tmp_path)]) == 2
    assert "would all be written to" in capsys.readouterr().err
    assert not site.backend.calls


def test_a_file_that_fails_is_reported_and_the_others_go_on(site, recording, tmp_path, capsys):
    bad = recording("bad.wav", "garbage")
    site.backend.failures[b"garbage"] = [UndecodableAudioError("no header")]
    good = recording("good.wav", "fine")
    missing = tmp_path / "missing.wav"
    assert main(["transcribe", str(bad), str(missing), str(tmp_path), str(good)]) == 1
    out, err = capsys.readouterr()
    assert out == f"{good}: fine\n"
    assert (
        f"chorus transcribe: {bad}: the audio cannot be decoded: no header (400 undecodable_audio)"
        in err
    )
    assert f"chorus transcribe: {missing}: No such file or directory" in err
    assert f"chorus transcribe: {tmp_path}: Is a directory" in err


def test_an_unknown_model_says_which_there_are(recording, capsys):
    assert main(["transcribe", str(recording("a.wav", "x")), "--model", "nope"]) == 1
    assert (
        "served here: parakeet-tiny, parakeet, tiny, pretender, canary-tiny"
        in capsys.readouterr().err
    )


def test_without_retries_a_full_server_is_an_error_at_once(site, recording, capsys):
    site.backend.failures[b"x"] = [AtCapacityError("the queue is full", 1.0)]
    assert main(["transcribe", str(recording("a.wav", "x")), "--retries", "0"]) == 1
    assert "at capacity: the queue is full" in capsys.readouterr().err


def test_timings_say_where_the_time_of_each_file_went(recording, capsys):
    main(["transcribe", str(recording("[a].wav", "x")), "--timings", "--format", "text"])
    head, row = capsys.readouterr().err.splitlines()[-2:]
    assert head.split() == "file audio s wall s decode ms queue ms model ms rest ms".split()  # noqa: SIM905  # reads as the table does
    assert "[a].wav" in row
    assert row.split()[-6] == "2.00"
    assert row.split()[-4:-1] == ["1.0", "2.0", "3.0"]


def test_words_of_a_simulated_model_are_called_made_up(recording, capsys):
    main(["transcribe", str(recording("a.wav", "x")), "--model", "pretender"])
    out, err = capsys.readouterr()
    assert out == "x\n"
    assert "made up" in err


def test_an_address_without_its_scheme_is_told_so(capsys):
    assert main(["models", "--url", "foo"]) == 1
    assert "foo is no address of a server" in capsys.readouterr().err


def test_no_server_is_said_once_with_how_to_start_one(recording, capsys):
    files = [str(recording(f"{number}.wav", "x")) for number in range(3)]
    assert main(["transcribe", *files, "--url", "http://127.0.0.1:1", "--quiet"]) == 1
    err = capsys.readouterr().err
    assert err.count("no server answers at http://127.0.0.1:1") == 1
    assert "chorus serve configs/tiny.yaml" in err


def test_the_key_comes_from_the_environment_or_the_option(peer, recording, monkeypatch):
    body = b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\n{"text": ""}'
    strict = peer(body, body)
    monkeypatch.setenv("CHORUS_API_KEY", "from-environment")
    file = str(recording("a.wav", "x"))
    main(["transcribe", file, "--url", strict.url])
    main(["transcribe", file, "--url", strict.url, "--api-key", "from-option"])
    assert [
        key in request
        for key, request in zip(
            (b"Bearer from-environment", b"Bearer from-option"), strict.requests, strict=True
        )
    ] == [True, True]


def test_ctrl_c_ends_the_command_though_an_answer_is_awaited(recording):
    file = str(recording("a.wav", "x"))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        command = [sys.executable, "-m", "serve_app.cli", "transcribe", file, "--url", url]
        with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
            connection, _ = silent.accept()
            with connection:
                process.send_signal(signal.SIGINT)
                assert process.wait(10) == 130


@pytest.mark.parametrize(
    "options",
    [["--concurrency", "0"], ["--format", "docx"], ["--retries", "-1"], ["--timeout", "0"]],
)
def test_options_out_of_range_are_refused(recording, options, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["transcribe", str(recording("a.wav", "x")), *options])
    assert exit_.value.code == 2
    assert options[0] in capsys.readouterr().err


def test_speakers_have_a_line_for_each_turn(site, recording, capsys):
    said = "Yes?\nGo on.\nNo.\nNever.\nWell."
    files = [str(recording("a.wav", said)), str(recording("b.wav", "Hm."))]
    assert main(["transcribe", files[0], "--speakers"]) == 0
    assert capsys.readouterr().out == "A: Yes? Go on.\nB: No. Never.\nA: Well.\n"
    assert {call.request.diarizer for call in site.backend.calls} == {"speakers"}
    assert main(["transcribe", *files, "--speakers"]) == 0
    assert capsys.readouterr().out.endswith(f"A: Well.\n{files[1]}:\nA: Hm.\n")


def test_speakers_in_json_are_diarized_json(recording, capsys):
    file = str(recording("a.wav", "Yes?"))
    for options in (["--speakers", "--format", "json"], ["--format", "diarized_json"]):
        assert main(["transcribe", file, *options]) == 0
        body = json.loads(capsys.readouterr().out)
        assert [segment["speaker"] for segment in body["segments"]] == ["A"]
    assert main(["transcribe", file, "--speakers", "--format", "srt"]) == 2
    assert "srt has no place for them" in capsys.readouterr().err


def test_a_channel_is_asked_for_and_split_ones_come_as_turns(site, recording, capsys):
    assert main(["transcribe", str(recording("a.wav", "one")), "--channel", "1"]) == 0
    assert main(["transcribe", str(recording("a.wav", "one")), "--channel", "split"]) == 0
    assert [call.request.channel for call in site.backend.calls] == [1, "split"]
    assert capsys.readouterr().out == "one\none\n"
