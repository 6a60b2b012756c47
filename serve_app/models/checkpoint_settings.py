"""The configuration in a checkpoint in; what in it would call, fetch or read too much out."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any

from serve_app.models.checkpoint_targets import is_part_of_a_model

_TARGET_KEYS = frozenset({"_target_", "target", "cls"})
"""Where Hydra and NeMo look for what to call."""

_FETCHING_KEYS = frozenset(
    {
        "from_pretrained",
        "hf_kwargs",
        "pretrained",
        "pretrained_model_name",
        "pretrained_model_name_or_path",
        "restore_from",
        "restore_from_path",
        "restore_path",
        "trust_remote_code",
    }
)
"""What has NeMo or Transformers fetch a model or its code from elsewhere."""

_FILE_KEYS = frozenset(
    {
        "arpa_lm_path",
        "boost_path",
        "kenlm_path",
        "key_phrases_file",
        "lexicon_path",
        "lm_path",
        "model_path",
        "ngram_lm_model",
        "spe_tokenizer_vocab",
        "vocab_file",
        "vocab_path",
        "wfst_lm_path",
    }
)
"""Files that a restored model opens: its tokenizers, and the language models of its decoders."""

_DIR_IS_UNUSED_WITH = {"bpe": "model_path", "wpe": "vocab_path", "agg": "langs"}
"""Beside these a tokenizer's `dir` is but where it lay in training."""

_ARTIFACT = "nemo:"
_REFERENCES = re.compile(r"(?:[^$\\]*\$\{[\w.\[\]]+\}(?=[^${\\]|\Z))+[^$\\]*")
"""OmegaConf's references to other settings; nothing that it would compute, now or in what a
reference and its neighbour come to together (`${a}${b}` of `$` and `{oc.create:...}`)."""


def unsafe_settings(config: Any) -> Iterator[str]:
    """What NeMo would do by this configuration that building a speech model does not need.

    Paths are judged where a restored model opens them: `_FILE_KEYS`; a tokenizer's `dir` where it
    names no file of its own; and whatever begins with `nemo:`. Absolute ones, those with `..`,
    addresses and other `.nemo` files are refused. The manifests and folders of training data,
    which real checkpoints keep, are not: nothing in restoring opens them.
    """
    for place, key, value, siblings in _settings(config):
        if key in _TARGET_KEYS and not _may_be_called(key, value):
            yield f"would call {value!r} at {place}"
        if key in _FETCHING_KEYS and value not in (None, False, "", {}, []):
            yield f"would fetch by {key} {value!r} at {place}"
        if not isinstance(value, str):
            continue
        if "${" in value and not _REFERENCES.fullmatch(value):
            yield f"would compute {value!r} at {place}"
        if _is_opened(key, value, siblings) and _leaves(value):
            yield f"would read {value!r} at {place}"


def _settings(config: Any) -> Iterator[tuple[str, str, Any, Mapping[Any, Any]]]:
    """Place, key, value and siblings of everything; each node once, however often it is named."""
    waiting: list[tuple[str, Any]] = [("", config)]
    seen: set[int] = set()
    while waiting:
        place, node = waiting.pop()
        if id(node) in seen:
            continue
        pairs: list[tuple[Any, Any]] = []
        if isinstance(node, dict):
            pairs = list(node.items())
        elif isinstance(node, list):
            pairs = list(enumerate(node))
        for key, value in pairs:
            here = f"{place}.{key}".lstrip(".")
            if isinstance(value, dict | list):
                waiting.append((here, value))
            yield here, str(key), value, node if isinstance(node, dict) else {}
        if pairs:
            seen.add(id(node))


def _may_be_called(key: str, target: Any) -> bool:
    """Where the value of a mapping's `target` or `cls` is itself a mapping, it is no name."""
    is_no_name = key != "_target_" and isinstance(target, dict | list)
    return target is None or is_no_name or is_part_of_a_model(target)


def _is_opened(key: str, value: str, siblings: Mapping[Any, Any]) -> bool:
    if value.startswith(_ARTIFACT) or key in _FILE_KEYS:
        return True
    if key != "dir":
        return False
    return _DIR_IS_UNUSED_WITH.get(str(siblings.get("type")).lower()) not in siblings


def _leaves(path: str) -> bool:
    name = path.removeprefix(_ARTIFACT)
    return (
        posixpath.isabs(name)
        or ".." in name.split("/")
        or name.startswith("~")
        or any(part in name for part in ("${", "://"))
        or name.endswith(".nemo")
    )
