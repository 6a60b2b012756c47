"""A config file as YAML: what is none is refused, and merge keys work."""

from pathlib import Path

import pytest

from serve_app import serve_config
from serve_app.errors import ConfigError

ROOT = Path(__file__).parents[2]

BROKEN = {
    "empty": b"",
    "list": b"- 1",
    "open": b"a: [",
    "twice": b"a: 1\na: 2",
    "object": b"!!python/object:os.x {}",
    "latin-1": b"a: \xe9",
    "no date": b"a: 2001-99-99",
    "no number": b"a: !!int x",
    "no truth": b"a: !!bool x",
    "no time": b"a: !!timestamp x",
    "itself": b"applications: &a [*a]",
    "its own merge": b"a: &a\n  <<: *a",
    "deep": b"a: " + b"[" * 5000,
    "list as key": b"? [a]\n: b",
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_what_is_no_config_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"config\.yaml"):
        serve_config.load(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        serve_config.load(tmp_path)


def test_a_merge_key_takes_in_what_it_names_and_is_overridden(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    text = (ROOT / "configs/simulated.yaml").read_text()
    text = text.replace(
        "        - name: simulated\n", "        - &one\n          name: simulated\n"
    )
    text = text.replace("      jobs:\n", MERGED_MODELS + "      jobs:\n")
    path.write_text(text)
    models = serve_config.server_config(serve_config.load(path)).models
    assert [(model.name, model.aliases) for model in models] == [
        ("simulated", ("parakeet",)),
        ("simulated-live", ()),
        ("second", ("two",)),
        ("third", ("three",)),
    ]


MERGED_MODELS = """\
        - &two
          <<: *one
          name: second
          aliases: [two]
        - <<: *two
          name: third
          aliases: [three]
"""
