"""The command `chorus check`: nothing breaks it, and it looks at all that it is given."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serve_app import serve_config
from serve_app.cli import main
from tests.serve_config.documents import MODEL, PARAKEET, ROOT, SIMULATED, changed


def places(node: Any, place: str = "") -> Iterator[str]:
    """Every place in a config."""
    entries = node.items() if isinstance(node, dict) else enumerate(node)
    for key, inner in entries:
        here = f"{place}.{key}".removeprefix(".")
        yield here
        if isinstance(inner, dict | list):
            yield from places(inner, here)


ODDITIES = (None, "x", 7, True, [], [1], ["x"], [None], [[]], {}, {"x": 1}, {1: 2}, {"name": {}})


@pytest.mark.parametrize("place", places(SIMULATED))
def test_nothing_odd_anywhere_breaks_the_check(place: str) -> None:
    for oddity in ODDITIES:
        assert all(str(problem) for problem in serve_config.check(changed(place, oddity)))


NO_CHECKPOINTS = {
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    "text": (b"<html>404</html>\n", "text"),
    "nothing": (b"", "empty"),
    "bytes": (bytes(range(256)) * 9, "no archive"),
}


@pytest.mark.parametrize(("content", "looks_like"), NO_CHECKPOINTS.values(), ids=NO_CHECKPOINTS)
def test_a_checkpoint_that_is_no_archive_is_said_to_be_what_it_is(
    content: bytes, looks_like: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.nemo"
    path.write_bytes(content)
    document = changed(MODEL, PARAKEET | {"checkpoint": str(path)})
    (problem,) = serve_config.check(document)
    assert str(problem).startswith(f"{MODEL}.checkpoint: ")
    assert looks_like in str(problem)


def test_all_files_are_checked_whatever_the_first_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("applications: [x]")
    assert main(["check", str(bad), str(ROOT / "configs/tiny.yaml")]) == 1
    out, err = capsys.readouterr()
    assert out.endswith("tiny.yaml: good\n")
    assert "applications.0: " in err


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http"])
@pytest.mark.parametrize("command", [["serve", "x.yaml"], ["stop"]])
def test_a_port_that_is_none_is_refused(command: list[str], port: str) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([*command, "--port", port])
    assert exit_.value.code == 2
