"""The configured models in; names that others have, checkpoints that cannot be loaded, and policies
that could not scale them, out."""

import re
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from serve_app.config import ModelConfig
from serve_app.deployments.scaling import (
    AUDIO_POLICY,
    SLOTS_POLICY,
    AudioPolicy,
    SlotsPolicy,
)
from serve_app.errors import ConfigError
from serve_app.ingress.served import DIARIZING_NAME, OPENAI_NAMES
from serve_app.models.loader import PROJECT_ROOT, checkpoint_path, require_harmless

OWN_DEPLOYMENTS = ("Ingress", "Preprocessor", "Ledger", "Jobs")
"""The deployments that are no models; `app.build` names them."""

_POLICIES: Mapping[Any, Callable[..., object]] = {
    AUDIO_POLICY: AudioPolicy,
    SLOTS_POLICY: SlotsPolicy,
}
_OWN_POLICIES = "serve_app."
_OF_SERVES_POLICY = (
    "target_ongoing_requests",
    "upscaling_factor",
    "downscaling_factor",
    "upscale_smoothing_factor",
    "downscale_smoothing_factor",
    "smoothing_factor",
)
_HUB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z0-9][A-Za-z0-9_.-]*")
_LFS_POINTER = b"version https://git-lfs.github.com/"
_HEAD_BYTES = 1024


def check_models(models: Sequence[ModelConfig], place: str) -> Iterator[ConfigError]:
    for index, model in enumerate(models):
        yield from _check_names(model, f"{place}.{index}")
        try:
            _check_checkpoint(model)
        except ConfigError as error:
            yield ConfigError(f"{place}.{index}.checkpoint", error.reason)
        except OSError as error:
            reason = f"{model.checkpoint} cannot be read: {error.strerror}"
            yield ConfigError(f"{place}.{index}.checkpoint", reason)


def check_policy(
    deployment: Mapping[str, Any], place: str, *, is_streaming: bool
) -> Iterator[ConfigError]:
    """A model for recordings may be scaled by a policy that is not ours, but names it."""
    scaling = deployment.get("autoscaling_config")
    if scaling is None and deployment.get("num_replicas") == "auto":
        scaling = {}
    if not isinstance(scaling, Mapping):
        return
    policy = scaling.get("policy") or {}
    named = policy.get("policy_function") if isinstance(policy, Mapping) else None
    here = f"{place}.autoscaling_config"
    if reason := _misplaced(named, deployment["name"], is_streaming=is_streaming):
        yield ConfigError(f"{here}.policy.policy_function", reason)
    elif isinstance(named, str) and named in _POLICIES:
        yield from _check_settings(scaling, _POLICIES[named], here)


def _misplaced(named: object, deployment: str, *, is_streaming: bool) -> str:
    """Why this policy cannot scale this deployment; empty where it can."""
    is_own = isinstance(named, str) and named.startswith(_OWN_POLICIES)
    if is_own and named not in _POLICIES:
        return f"is written {' or '.join(sorted(_POLICIES))}"
    if is_streaming and named != SLOTS_POLICY:
        return f"must be {SLOTS_POLICY}: Serve's own counts calls, not streams"
    if deployment in OWN_DEPLOYMENTS:
        return "scales models; leave it out here: Serve's own counts requests" if is_own else ""
    if not is_streaming and named == SLOTS_POLICY:
        return f"counts the slots of live streams; {AUDIO_POLICY} weighs recordings"
    if named is None:
        return (
            f"put {AUDIO_POLICY} there: Serve's own sees only what replicas hold, and what waits "
            "for them is kept in the preprocessors"
        )
    return ""


def _check_settings(
    scaling: Mapping[str, Any], policy: Callable[..., object], here: str
) -> Iterator[ConfigError]:
    for setting in _OF_SERVES_POLICY:
        if setting in scaling:
            reason = "is of Serve's own policy, and this one does not look at it: leave it out"
            yield ConfigError(f"{here}.{setting}", reason)
    try:
        policy(**(scaling["policy"].get("policy_kwargs") or {}))
    except (TypeError, ValueError) as error:
        yield ConfigError(f"{here}.policy.policy_kwargs", str(error))


def _check_names(model: ModelConfig, place: str) -> Iterator[ConfigError]:
    if model.name in OWN_DEPLOYMENTS:
        yield ConfigError(f"{place}.name", f"{model.name} is a deployment of the server's own")
    places = [f"{place}.name", *(f"{place}.aliases.{index}" for index in range(len(model.aliases)))]
    for here, name in zip(places, (model.name, *model.aliases), strict=True):
        if name in OPENAI_NAMES or name == DIARIZING_NAME:
            reason = f"{name} is OpenAI's and means the default model; set default_model instead"
            yield ConfigError(here, reason)


def _check_checkpoint(model: ModelConfig) -> None:
    """
    Raises:
        ConfigError: nothing could be loaded from it.
        OSError: it is there and cannot be read.
    """
    path = checkpoint_path(model)
    if path is not None:
        if not tarfile.is_tarfile(path):
            raise ConfigError("checkpoint", f"{path} {_what_it_is(path)}")
        require_harmless(path, "checkpoint")
        return
    if model.checkpoint is None:
        return
    if not _HUB_NAME.fullmatch(model.checkpoint):
        reason = f"{model.checkpoint!r} is neither a .nemo file nor a hub name, owner/name"
        raise ConfigError("checkpoint", reason)
    if (PROJECT_ROOT / model.checkpoint).exists():
        raise ConfigError("checkpoint", f"{PROJECT_ROOT / model.checkpoint} is no .nemo file")


def _what_it_is(path: Path) -> str:
    """What a file looks like that is no archive, as NeMo's checkpoints are."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        return "is empty"
    if head.startswith(_LFS_POINTER):
        return "is a Git LFS pointer, not the checkpoint itself: run `git lfs pull`"
    if head.isascii() and b"\0" not in head:
        return "is a text file, no archive as NeMo writes them"
    return "is no archive as NeMo writes them"
