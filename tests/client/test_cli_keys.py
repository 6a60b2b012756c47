"""`chorus keys`: a key is shown once, and only its hash is kept."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from serve_app.cli import main
from serve_app.ingress.auth import keyfile
from serve_app.ingress.auth.keys import matching, read_keys
from tests.client.conftest import Peer

COMMENTED = """\
# whose is whose
keys:
- name: old   # the first
  sha256: {hash}
"""
HASH = "a" * 64


def new(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["keys", "new", *arguments]) == 0
    return capsys.readouterr().out


def test_a_new_key_is_printed_with_the_file_that_it_would_make(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    limits = ["--requests-per-minute", "60", "--audio-s-per-day", "36000.5"]
    out = new(capsys, "alice", *limits, "--concurrent-streams", "4", "--expires", "2100-01-01")
    key, file = out.split("\n", 1)
    (tmp_path / "keys.yaml").write_text(file)
    (found,) = read_keys(tmp_path / "keys.yaml")
    assert matching([found], key) is found
    assert (found.name, found.requests_per_minute, found.audio_s_per_day) == ("alice", 60, 36000.5)
    assert found.concurrent_streams == 4
    assert found.expires is not None
    assert found.expires.isoformat() == "2100-01-01T00:00:00+00:00"
    assert key not in file


def test_with_a_file_the_key_is_all_that_is_printed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "keys.yaml"
    keys = [new(capsys, name, "--file", str(path)).strip() for name in ("alice", "bob")]
    found = read_keys(path)
    assert [matching(found, key).name for key in keys] == ["alice", "bob"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
    assert not any(key in path.read_text() for key in keys)


def test_what_stands_in_a_file_stays_as_it_is(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "keys.yaml"
    before = COMMENTED.format(hash=HASH)
    path.write_text(before)
    path.chmod(0o640)
    new(capsys, "alice", "--file", str(path))
    assert path.read_text().startswith(before)
    assert [key.name for key in read_keys(path)] == ["old", "alice"]
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("text", ["keys: []\n", "# none yet\nkeys: [ ]"])
def test_a_file_without_keys_takes_its_first(
    text: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(text)
    new(capsys, "alice", "--file", str(path))
    assert [key.name for key in read_keys(path)] == ["alice"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"keys: [{{name: old, sha256: {HASH}}}]", "add it by hand"),
        (COMMENTED.format(hash="xyz"), "keys.0.sha256"),
        (COMMENTED.format(hash=HASH).replace("old", "alice"), "'alice' stands twice"),
        ("- 7", "no mapping"),
        ("keys:\n  []\n", "add it by hand"),
    ],
)
def test_a_file_that_cannot_take_it_is_left_alone(
    text: str, problem: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(text)
    assert main(["keys", "new", "alice", "--file", str(path)]) == 1
    said = capsys.readouterr()
    assert problem in said.err
    assert said.out == ""
    assert path.read_text() == text


def test_a_link_stays_a_link(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_text("keys: []\n")
    link = tmp_path / "keys.yaml"
    link.symlink_to("real.yaml")
    new(capsys, "alice", "--file", str(link))
    assert link.is_symlink()
    assert len(read_keys(tmp_path / "real.yaml")) == 1


def test_a_disk_that_fails_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "keys.yaml"
    path.write_text("keys: []\n")
    monkeypatch.setattr(keyfile.os, "fsync", full)
    assert main(["keys", "new", "alice", "--file", str(path)]) == 1
    assert "No space left" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "keys: []\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["a", "--requests-per-minute", "0"],
        ["a", "--concurrent-streams", "1.5"],
        ["a", "--expires", "soon"],
    ],
)
def test_limits_that_mean_nothing_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(["keys", "new", *arguments])


def test_a_name_that_no_file_takes_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "new", "two words"]) == 1
    said = capsys.readouterr()
    assert "name" in said.err
    assert said.out == ""


def test_check_says_what_is_wrong_and_who_has_expired(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(COMMENTED.format(hash=HASH) + "  expires: 2001-01-01\n")
    assert main(["keys", "check", str(path)]) == 0
    said = capsys.readouterr()
    assert said.out == f"{path}: good, 1 key\n"
    assert "old: expired 2001-01-01" in said.err
    path.write_text(yaml.safe_dump({"keys": [{"name": "a"}]}))
    assert main(["keys", "check", str(path)]) == 1
    assert "keys.0.sha256" in capsys.readouterr().err


def test_who_has_no_key_for_a_server_is_told_so(
    peer: Callable[..., Peer], capsys: pytest.CaptureFixture[str]
) -> None:
    error = b'{"error":{"message":"the API key is not known here","code":"invalid_api_key"}}'
    head = b"HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\ncontent-length: "
    site = peer(head + str(len(error)).encode() + b"\r\n\r\n" + error)
    assert main(["models", "--url", site.url, "--api-key", "chorus_x"]) == 1
    assert "the API key is not known here" in capsys.readouterr().err
    assert b"authorization: bearer chorus_x" in site.requests[0].lower()


def test_the_command_line_stays_light() -> None:
    code = (
        "import sys; from serve_app.cli import main; main(['keys', 'new', 'a']);"
        "print([name for name in ('ray', 'torch', 'nemo') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.endswith("[]\n")
