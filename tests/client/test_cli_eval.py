"""`chorus eval`: manifests, counts, tables, and the command's imports."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from serve_app.cli import main
from serve_app.cli.evaluate.manifest import Entry, ManifestError, read_manifest
from serve_app.cli.evaluate.scores import quantile
from serve_app.errors import UndecodableAudioError


@pytest.fixture
def manifest(tmp_path, recording, site):
    """Two recordings right, one with an error of each kind."""
    said = {
        "a.wav": ("One, two three.", "one two three"),
        "b.wav": ("one two three four", "one too four five"),
        "c.wav": ("five", "five"),
    }
    for name, (_, heard) in said.items():
        recording(name, heard)
    path = tmp_path / "manifest.jsonl"
    rows = [{"audio_filepath": name, "text": text} for name, (text, _) in said.items()]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    return path


def table_of(out):
    rows = [line.split("│")[1:-1] for line in out.splitlines() if "│" in line]
    return {name.strip(): value.strip() for name, value in rows}


def test_the_table_counts_errors_over_the_whole_set(manifest, capsys):
    assert main(["eval", str(manifest)]) == 0
    table = table_of(capsys.readouterr().out)
    assert table["files"] == "3"
    assert table["words"] == "8"
    assert table["word error rate"] == "37.50%"
    errors = [int(table[kind]) for kind in ("substitutions", "deletions", "insertions")]
    assert errors == [1, 1, 1]
    assert table["files without error"] == "2 of 3"
    assert table["audio"] == "6.0 s"
    assert float(table["audio seconds per second"]) > 0
    assert table["latency, median"].endswith("ms")


def test_texts_are_compared_as_written_where_asked_for(manifest, capsys):
    main(["eval", str(manifest), "--no-normalise"])
    assert table_of(capsys.readouterr().out)["word error rate"] == "62.50%"


def test_the_worst_are_shown_word_over_word(manifest, capsys):
    main(["eval", str(manifest), "--show-errors", "5"])
    out = capsys.readouterr().out
    assert "b.wav: 3 wrong of 4 words (1 substituted, 1 deleted, 1 inserted)" in out
    said, heard = (
        next(line for line in out.splitlines() if line.startswith(start))
        for start in ("  said:", "  heard:")
    )
    assert said.split()[1] == "one"
    assert "TWO" in said
    assert "****" in said
    assert "TOO" in heard
    assert "FIVE" in heard
    assert said.index(" four") == heard.index(" four")
    assert "a.wav" not in out


def test_json_has_the_table_and_a_row_for_each(manifest, tmp_path):
    target = tmp_path / "rows.json"
    main(["eval", str(manifest), "--json", str(target)])
    document = json.loads(target.read_text())
    assert document["summary"]["wer"] == 0.375
    assert document["summary"]["latency_p95_s"] > 0
    assert [Path(row["file"]).name for row in document["rows"]] == ["a.wav", "b.wav", "c.wav"]
    assert document["rows"][1]["hypothesis"] == "one too four five"
    assert document["rows"][0]["stages_s"] == {"decode": 0.001, "queue": 0.002, "model": 0.003}


def test_a_file_that_fails_is_left_out_of_the_counts(manifest, site, tmp_path, capsys):
    site.backend.failures[b"one too four five"] = [UndecodableAudioError("bits")]
    target = tmp_path / "rows.json"
    assert main(["eval", str(manifest), "--json", str(target)]) == 1
    out, err = capsys.readouterr()
    table = table_of(out)
    assert table["failed"] == "1"
    assert table["words"] == "4"
    assert table["word error rate"] == "0.00%"
    assert "b.wav: the audio cannot be decoded: bits" in err
    assert "bits" in json.loads(target.read_text())["rows"][-1]["error"]


def test_the_manifests_language_is_told_to_the_model_unless_the_option_says_another(
    tmp_path, recording, site
):
    recording("a.wav", "hallo")
    path = tmp_path / "manifest.jsonl"
    path.write_text(json.dumps({"file": "a.wav", "text": "hallo", "source_lang": "de"}))
    main(["eval", str(path)])
    main(["eval", str(path), "--language", "en"])
    assert [call.request.options.language for call in site.backend.calls] == ["de", "en"]


def test_a_table_has_a_row_for_each_language_and_direction(tmp_path, recording, site, capsys):
    rows = [
        {"source_lang": "de", "target_lang": "de", "taskname": "asr", "text": "eins zwei"},
        {"source_lang": "de", "target_lang": "de", "pnc": "no", "text": "eins drei"},
        {"source_lang": "en", "target_lang": "de", "lang": "de", "pnc": "yes", "text": "Drei."},
        {"source_lang": "fr", "taskname": "s2t_translation", "text": "one"},
    ]
    for index, row in enumerate(rows):
        recording(f"{index}.wav", "eins zwei" if row["source_lang"] == "de" else row["text"])
        row |= {"file": f"{index}.wav", "model": "canary-tiny"}
    path, target = tmp_path / "manifest.jsonl", tmp_path / "rows.json"
    path.write_text("\n".join(map(json.dumps, rows)))
    assert main(["eval", str(path), "--model", "canary-tiny", "--json", str(target)]) == 0
    out = capsys.readouterr().out
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines()]
    assert [row[:4] for row in cells if len(row) == 6] == [
        ["de", "2", "4", "25.00%"],
        ["en → de", "1", "1", "0.00%"],
        ["fr → en", "1", "1", "0.00%"],
    ]
    asked = {
        (call.request.options.language, call.request.options.target_language)
        for call in site.backend.calls
    }
    assert asked == {("de", None), ("en", "de"), ("fr", "en")}
    assert [call.request.options.pnc for call in site.backend.calls].count(False) == 1
    summary = json.loads(target.read_text())["summary"]
    assert summary["directions"]["de"]["wer"] == 0.25
    assert list(summary["directions"]) == ["de", "en → de", "fr → en"]


def test_a_json_list_is_a_manifest_too(tmp_path, recording):
    recording("a.wav", "x")
    path = tmp_path / "samples.json"
    path.write_text(json.dumps([{"file": "a.wav", "text": "One.", "speaker": "s"}], indent=2))
    assert read_manifest(path) == [Entry(tmp_path / "a.wav", "One.")]


def test_paths_may_be_absolute(tmp_path, recording):
    audio = recording("a.wav", "x")
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    path = folder / "manifest.jsonl"
    path.write_text(json.dumps({"audio_filepath": str(audio), "text": ""}))
    assert read_manifest(path)[0].path == audio


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "names no recordings"),
        ('{"file": "a.wav", "text": "x"}\n{', "line 2: is no JSON"),
        ('["a.wav"]', "entry 1: is no JSON object"),
        ('{"text": "x"}', "line 1: names no recording"),
        ('{"file": "a.wav"}', "line 1: has no `text`"),
        ('{"file": "a.wav", "text": "x", "offset": 3.5}', "only whole files"),
        ('{"file": "none.wav", "text": "x"}', "there is no file"),
        ('{"file": "a.wav", "text": "x", "pnc": "some"}', "neither yes nor no"),
    ],
)
def test_a_wrong_manifest_is_refused_with_the_place(tmp_path, recording, capsys, content, problem):
    recording("a.wav", "x")
    path = tmp_path / "manifest.jsonl"
    path.write_text(content)
    with pytest.raises(ManifestError, match=problem):
        read_manifest(path)
    assert main(["eval", str(path)]) == 2
    assert problem in capsys.readouterr().err


def test_a_manifest_that_is_not_there_is_said_so(tmp_path, capsys):
    assert main(["eval", str(tmp_path / "none.jsonl")]) == 2
    assert "No such file" in capsys.readouterr().err


def test_quantiles_lie_between_the_nearest_ranks():
    assert quantile([4.0, 1.0, 3.0, 2.0], 0.5) == 2.5
    assert quantile([1.0], 0.95) == 1.0
    assert quantile([], 0.5) is None


def test_the_commands_of_a_client_import_nothing_heavy():
    code = "import sys, serve_app.cli; print(*sorted(sys.modules))"
    listed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    heavy = {"torch", "nemo", "ray", "numpy", "pydantic", "fastapi", "serve_app.config"}
    assert not heavy & set(listed.stdout.split())
