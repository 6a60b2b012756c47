"""From a model's configuration to a recogniser that is ready to answer.

Torch and NeMo are imported here and below only when a kind needs them.
"""

import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from serve_app.audio.waveform import SAMPLE_RATE_HZ, Chunk
from serve_app.catalogue import is_non_commercial
from serve_app.config import ModelConfig
from serve_app.errors import ConfigError
from serve_app.models.protocols import RecognitionOptions, RecognitionRequest, Recognizer

PROJECT_ROOT = Path(__file__).resolve().parents[2]
"""Relative checkpoint paths start here."""

logger = logging.getLogger(__name__)


def load_recognizer(config: ModelConfig) -> Recognizer:
    """Load the model that `config` names, put it on its device and warm it up.

    Raises:
        ConfigError: the checkpoint is missing, is not what its sha256 says, or is of another kind.
    """
    for line in licence_lines([config]):
        logger.warning(line)
    if config.kind == "simulated":
        from serve_app.models.simulated import SimulatedRecognizer

        return SimulatedRecognizer(config)
    from serve_app.models.offline.canary import CanaryRecognizer
    from serve_app.models.offline.checkpoint import restore
    from serve_app.models.offline.parakeet import ParakeetRecognizer

    kind = CanaryRecognizer if config.kind == "canary" else ParakeetRecognizer
    recognizer = kind(restore(config), config)
    warm_up(recognizer, (1.0, config.max_chunk_s))
    return recognizer


def licence_lines(models: Iterable[ModelConfig]) -> Iterator[str]:
    """What an operator must read at start-up: whose weights these are, and what they forbid."""
    for model in models:
        if model.attribution or model.licence:
            yield f"{model.name}: {model.attribution or model.licence}"
        if is_non_commercial(model.licence):
            yield f"WARNING: {model.licence} forbids all COMMERCIAL use of {model.name}"


def checkpoint_path(config: ModelConfig) -> Path | None:
    """Where the `.nemo` file of `config` lies; None where it comes from a hub or is not needed.

    Raises:
        ConfigError: the file does not exist.
    """
    if config.checkpoint is None or not config.checkpoint.endswith(".nemo"):
        return None
    path = PROJECT_ROOT / config.checkpoint
    if not path.is_file():
        raise ConfigError(f"models.{config.name}.checkpoint", f"there is no file {path}")
    return path


def verify_sha256(path: Path, config: ModelConfig) -> None:
    """Refuse a file that is not the one that was configured; a checkpoint is code.

    Raises:
        ConfigError: the digest differs.
    """
    if config.sha256 is None:
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != config.sha256:
        raise ConfigError(
            f"models.{config.name}.sha256",
            f"{path} has {found}, not the configured {config.sha256}",
        )


def warm_up(recognizer: Recognizer, durations_s: Sequence[float]) -> None:
    """Run noise of each length through the model, so that no client pays for the first run."""
    noise = np.random.default_rng(0).integers(
        -1000, 1000, int(max(durations_s) * SAMPLE_RATE_HZ), dtype=np.int16
    )
    for duration_s in durations_s:
        pcm = noise[: int(duration_s * SAMPLE_RATE_HZ)].tobytes()
        request = RecognitionRequest(Chunk(pcm, 0.0), RecognitionOptions())
        recognizer.recognize(recognizer.prepare([request]))
