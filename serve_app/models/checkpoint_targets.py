"""A name that a checkpoint would have called in; whether it is a part of a speech model out.

NeMo calls whatever a configuration names below `nemo.` and `torch.nn.`, and among that is much
that writes files or fetches code. Here the name must be a class, defined in a module of the list.
"""

import ast
import importlib.util
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

_MODELS = tuple(
    f"nemo.collections.asr.models.{name}"
    for name in (
        "aed_multitask_models", "ctc_bpe_models", "ctc_models",
        "hybrid_rnnt_ctc_bpe_models", "hybrid_rnnt_ctc_bpe_models_prompt",
        "hybrid_rnnt_ctc_models", "rnnt_bpe_models", "rnnt_bpe_models_prompt", "rnnt_models",
        "sortformer_diar_models",
    )
)  # fmt: skip
_MODULES = tuple(
    f"nemo.collections.asr.modules.{name}"
    for name in (
        "audio_preprocessing", "conformer_encoder", "conv_asr", "hybrid_autoregressive_transducer",
        "lstm_decoder", "rnn_encoder", "rnnt", "sortformer_modules", "ssl_modules", "transformer",
        "transformer_encoder", "wav2vec_modules",
    )
)  # fmt: skip
_SUBMODULES = tuple(
    f"nemo.collections.asr.parts.submodules.{name}"
    for name in (
        "adapters", "batchnorm", "causal_convs", "classifier", "conformer_modules", "jasper",
        "multi_head_attention", "spectr_augment", "ssl_quantizers", "stateless_net", "subsampling",
        "tdnn_attention", "token_classifier",
    )
)  # fmt: skip
_DEFINING = (
    *_MODELS,
    *_MODULES,
    *_SUBMODULES,
    "nemo.collections.asr.losses",
    *(f"nemo.collections.asr.metrics.{name}" for name in ("bleu", "multitask", "wer")),
    "nemo.collections.common.losses",
    "nemo.collections.common.parts.adapter_modules",
    *(
        f"nemo.collections.common.tokenizers.{name}_tokenizer"
        for name in ("aggregate", "canary", "sentencepiece")
    ),
    "nemo.core.classes.mixins.adapter_mixin_strategies",
    "nemo.core.optim",
    "torch.nn.modules",
    "torch.optim",
)
"""Modules, or packages with all below, that define what configurations of NeMo's examples, tests
and published speech models name. Not those that open files (language models, lexica, other
tokenizers), load other models (`ClusteringDiarizer`), or read data: no restored model does."""

_FUNCTIONS = frozenset(
    {"nemo.collections.asr.modules.transformer.transformer_utils.get_nemo_transformer"}
)
"""Canary's configurations build their decoder with it; it refuses names to download."""

_DOTTED_NAME = re.compile(r"[A-Za-z]\w*(\.[A-Za-z]\w*)+")
_MAX_REEXPORTS = 8


def is_part_of_a_model(target: object) -> bool:
    """Whether it names, directly or re-exported, a class of those modules or such a function."""
    if not isinstance(target, str) or not _DOTTED_NAME.fullmatch(target):
        return False
    module, _, name = target.rpartition(".")
    return _is_defined_there(module, name, _MAX_REEXPORTS)


@cache
def _is_defined_there(module: str, name: str, num_reexports: int) -> bool:
    source = _source(module)
    if source is None or num_reexports == 0:
        return False
    for statement in _statements(_tree(source).body):
        match statement:
            case ast.ClassDef(name=defined) if defined == name:
                return _is_below(module, _DEFINING)
            case ast.FunctionDef(name=defined) if defined == name:
                return f"{module}.{name}" in _FUNCTIONS
            case ast.ImportFrom():
                origin = _origin(statement, module, is_package=source.name == "__init__.py")
                for alias in statement.names:
                    if alias.name != "*" and (alias.asname or alias.name) != name:
                        continue
                    wanted = name if alias.name == "*" else alias.name
                    if _is_defined_there(origin, wanted, num_reexports - 1):
                        return True
    return False


def _is_below(module: str, packages: Iterable[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _origin(statement: ast.ImportFrom, module: str, *, is_package: bool) -> str:
    """The full name of what it imports from, also where that is relative to `module`."""
    if statement.level == 0:
        return statement.module or ""
    num_up = statement.level - (1 if is_package else 0)
    parts = module.split(".")
    return ".".join([*parts[: len(parts) - num_up], *filter(None, [statement.module])])


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Those of a module, also under its conditions; none of its functions and classes."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.If | ast.Try):
            yield from _statements(statement.body)
            yield from _statements(statement.orelse)
        if isinstance(statement, ast.Try):
            for handler in statement.handlers:
                yield from _statements(handler.body)


@cache
def _tree(source: Path) -> ast.Module:
    return ast.parse(source.read_bytes())


@cache
def _source(module: str) -> Path | None:
    """The source file of a module of NeMo or torch; nothing is imported."""
    package, *parts = module.split(".")
    if package not in ("nemo", "torch"):
        return None
    spec = importlib.util.find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        place = Path(folder, *parts)
        for file in (place / "__init__.py", place.with_suffix(".py")):
            if file.is_file():
                return file
    return None
