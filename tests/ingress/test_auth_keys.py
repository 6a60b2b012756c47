"""The keys file: read strictly, read again when it changes, and never worse than it was."""

import asyncio
import logging
import os
import re
from pathlib import Path

import pytest

from serve_app.deployments.ledger.accounts import Limits
from serve_app.errors import ConfigError
from serve_app.ingress.auth.keys import KeyFile, matching, new_key, read_keys, sha256_of

HASH = "a" * 64


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.yaml"


def written(path: Path, *entries: str) -> Path:
    path.write_text(f"keys: [{', '.join(entries)}]")
    return path


def entry(name: str, key: str = "", rest: str = "") -> str:
    return f"{{name: {name}, sha256: {sha256_of(key) if key else HASH}{rest}}}"


def test_a_key_is_found_by_its_hash_and_by_nothing_else(path: Path) -> None:
    alices, bobs = new_key(), new_key()
    keys = read_keys(written(path, entry("alice", alices), entry("bob", bobs)))
    assert [matching(keys, key).name for key in (alices, bobs)] == ["alice", "bob"]
    for other in ("", new_key(), alices[:-1], alices + "A", sha256_of(alices), "\udcff", "ключ"):
        assert matching(keys, other) is None


def test_keys_are_32_random_bytes_fit_for_a_header_and_a_subprotocol() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(re.fullmatch(r"chorus_[A-Za-z0-9_-]{43}", key) for key in keys)


def test_limits_are_read_and_default_to_none(path: Path) -> None:
    limits = ", requests_per_minute: 60, audio_s_per_day: 0.5, concurrent_streams: 4"
    some, none = read_keys(written(path, entry("a", "1", limits), entry("b", "2")))
    assert some.limits == Limits(60, 0.5, 4)
    assert none.limits == Limits()


def test_a_key_expires_at_the_beginning_of_its_day_in_utc(path: Path) -> None:
    (key,) = read_keys(written(path, entry("a", "1", ", expires: 1970-01-02")))
    assert not key.has_expired(24 * 3600 - 1)
    assert key.has_expired(24 * 3600)
    (key,) = read_keys(written(path, entry("a", "1", ", expires: 1970-01-02T02:00:00+02:00")))
    assert key.has_expired(24 * 3600)


MISTAKES = [
    ("keys: 7", "keys: "),
    ("{}", "keys: "),
    ("keys: []\nkey: []", "key: "),
    ("keys: []\nkeys: []", "stands twice"),
    ("- 1", "no mapping"),
    (f"keys: [{{name: a, sha256: {HASH}, requests_per_minut: 1}}]", "keys.0.requests_per_minut: "),
    ("keys: [{name: a}]", "keys.0.sha256: "),
    ("keys: [{name: a, sha256: abc}]", "keys.0.sha256: "),
    (f"keys: [{{name: 'a b', sha256: {HASH}}}]", "keys.0.name: "),
    (f"keys: [{{sha256: {HASH}}}]", "keys.0.name: "),
    (f"keys: [{{name: a, sha256: {HASH}}}, {{name: a, sha256: {'b' * 64}}}]", "'a' stands twice"),
    (f"keys: [{{name: a, sha256: {HASH}}}, {{name: b, sha256: {HASH}}}]", "stands twice"),
    *(
        (f"keys: [{{name: a, sha256: {HASH}, {name}: {value}}}]", f"keys.0.{name}: ")
        for name in ("requests_per_minute", "audio_s_per_day", "concurrent_streams")
        for value in (0, -1, "true", "many", ".inf", "'7'")
    ),
    *(
        (f"keys: [{{name: a, sha256: {HASH}, expires: {value}}}]", "keys.0.expires: ")
        for value in ("7", "'7'", "soon", "true")
    ),
]


@pytest.mark.parametrize(("text", "problem"), MISTAKES)
def test_a_mistake_is_named_with_its_place(path: Path, text: str, problem: str) -> None:
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_keys(path)
    assert problem in str(caught.value)
    assert str(path) in str(caught.value)
    assert "pydantic" not in str(caught.value)


def test_a_file_that_is_not_there_is_said(path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        KeyFile(path)


async def names(keys: KeyFile) -> list[str]:
    return [key.name for key in await keys.keys()]


async def test_a_changed_file_is_read_again_once_a_second_at_most(path: Path) -> None:
    clock = Clock()
    keys = KeyFile(written(path, entry("alice")), clock)
    written(path, entry("alice"), entry("bob", "1"))
    assert await names(keys) == ["alice"]
    clock.now_s += 1.0
    assert await names(keys) == ["alice", "bob"]
    written(path)
    clock.now_s += 1.0
    assert await names(keys) == []


async def test_who_comes_while_the_file_is_read_again_waits_for_what_it_says(path: Path) -> None:
    clock = Clock()
    keys = KeyFile(written(path, entry("alice")), clock)
    written(path)
    clock.now_s += 1.0
    assert await asyncio.gather(*(names(keys) for _ in range(20))) == [[]] * 20


def replace_unnoticed(path: Path, other: Path) -> None:
    status = path.stat()
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)


async def test_a_file_of_the_same_length_and_time_in_its_place_is_another(path: Path) -> None:
    clock = Clock()
    keys = KeyFile(written(path, entry("alice")), clock)
    replace_unnoticed(path, written(path.with_suffix(".new"), entry("clara")))
    clock.now_s += 1.0
    assert await names(keys) == ["clara"]


async def test_a_broken_file_leaves_the_keys_as_they_were_and_is_logged_once(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    keys = KeyFile(written(path, entry("alice")), clock)
    with caplog.at_level(logging.ERROR):
        for spoil in (lambda: written(path, "{"), path.unlink):
            spoil()
            for _ in range(3):
                clock.now_s += 1.0
                assert await names(keys) == ["alice"]
    assert len(caplog.records) == 2
    assert "stay as they were" in caplog.text
    clock.now_s += 1.0
    written(path, entry("bob"))
    assert await names(keys) == ["bob"]
