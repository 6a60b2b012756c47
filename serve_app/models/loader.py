"""From a model's configuration to a recogniser that is ready to answer.

Torch and NeMo are imported here and below only when a kind needs them.
"""

import gzip
import hashlib
import logging
import os
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import numpy as np

from serve_app.audio.waveform import SAMPLE_RATE_HZ, Chunk
from serve_app.catalogue import is_non_commercial
from serve_app.config import ModelConfig, SynthesizerConfig
from serve_app.errors import ConfigError
from serve_app.models.inspection import UnsafeCheckpointError, inspect_checkpoint
from serve_app.models.protocols import (
    Diarizer,
    RecognitionOptions,
    RecognitionRequest,
    Recognizer,
    StreamFrame,
    StreamingRecognizer,
    StreamOptions,
    SynthesisRequest,
    Synthesizer,
    UnspeakableError,
)

PROJECT_ROOT = Path(__file__).resolve().parents[2]
"""Relative checkpoint paths start here."""

LEAST_VERSIONS: Mapping[str, tuple[int, ...]] = {"nemo_toolkit": (3, 0), "ray": (2, 60)}
"""Older ones run what a checkpoint, or whoever reaches Ray's ports, tells them to."""
_NO_WEIGHTS_ONLY = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
"""Set, it has torch run whatever a pickle of weights says."""

logger = logging.getLogger(__name__)


def load_recognizer(config: ModelConfig) -> Recognizer:
    """Load the model that `config` names, put it on its device and warm it up.

    Raises:
        ConfigError: the checkpoint is missing, is not what its sha256 says, is of another kind or
            would run more than a model; or what loads it is too old to be safe.
    """
    for line in licence_lines([config]):
        logger.warning(line)
    if config.kind == "simulated":
        from serve_app.models.simulated import SimulatedRecognizer

        return SimulatedRecognizer(config)
    require_safe_surroundings(os.environ)
    from serve_app.models.offline.canary import CanaryRecognizer
    from serve_app.models.offline.checkpoint import restore
    from serve_app.models.offline.parakeet import ParakeetRecognizer

    kind = CanaryRecognizer if config.kind == "canary" else ParakeetRecognizer
    recognizer = kind(restore(config), config)
    warm_up(recognizer, (1.0, config.max_chunk_s))
    return recognizer


def load_streaming_recognizer(config: ModelConfig) -> StreamingRecognizer:
    """Load the model of live streams that `config` names, and warm it up.

    Raises:
        ConfigError: as `load_recognizer`; or the checkpoint bears not the streaming that is
            configured.
    """
    for line in licence_lines([config]):
        logger.warning(line)
    recognizer = _streaming_recognizer(config)
    # A decoder's CUDA graph is recorded anew for each larger batch: begin with the largest
    full = 1 if recognizer.info.device in ("cpu", "simulated") else recognizer.num_slots
    warm_up_streams(recognizer, num_streams=full)
    return recognizer


def _streaming_recognizer(config: ModelConfig) -> StreamingRecognizer:
    if config.streaming is None:
        raise ConfigError(f"models.{config.name}.streaming", "the model takes recordings only")
    if config.kind == "simulated":
        from serve_app.models.streaming.simulated import SimulatedStreamingRecognizer

        return SimulatedStreamingRecognizer(config)
    require_safe_surroundings(os.environ)
    from serve_app.models.offline.checkpoint import restore

    model = restore(config)
    if config.streaming.method == "cache_aware":
        from serve_app.models.streaming.cache_aware import CacheAwareRecognizer

        return CacheAwareRecognizer(model, config)
    if config.streaming.method == "buffered":
        from serve_app.models.streaming.buffered import BufferedRecognizer

        return BufferedRecognizer(model, config)
    from serve_app.models.streaming.canary import CanaryStreamingRecognizer

    return CanaryStreamingRecognizer(model, config)


def load_diarizer(config: ModelConfig) -> Diarizer:
    """Load the model that `config` names to tell speakers apart, and warm it up.

    Raises:
        ConfigError: as `load_recognizer`; or the checkpoint cannot hear a recording in pieces.
    """
    for line in licence_lines([config]):
        logger.warning(line)
    if config.kind == "simulated":
        from serve_app.models.diarization.simulated import SimulatedDiarizer

        return SimulatedDiarizer(config)
    require_safe_surroundings(os.environ)
    from serve_app.models.diarization.sortformer import SortformerDiarizer, restore_sortformer

    diarizer = SortformerDiarizer(restore_sortformer(config), config)
    diarizer.hear(diarizer.begin(), _noise(diarizer.step_s), is_last=True)
    return diarizer


def load_synthesizer(config: SynthesizerConfig) -> Synthesizer:
    """Load or start what `config` names.

    Raises:
        ConfigError: what it needs is missing, or is not what its sha256 says.
    """
    for line in licence_lines([config]):
        logger.warning(line)
    if config.kind == "simulated":
        from serve_app.models.speech.simulated import SimulatedSynthesizer

        return SimulatedSynthesizer(config)
    synthesizer: Synthesizer
    if config.kind == "espeak":
        from serve_app.models.speech.espeak.engine import EspeakSynthesizer

        synthesizer = EspeakSynthesizer(config)
    else:
        place = f"synthesizers.{config.name}"
        path = synthesizer_path(config)
        require_digest(path, config.sha256 or "", f"{place}.sha256")
        from serve_app.models.speech.silero import SileroSynthesizer

        synthesizer = SileroSynthesizer(path, config)
    warm_up_voices(synthesizer)
    return synthesizer


def synthesizer_path(config: SynthesizerConfig) -> Path:
    """Where the file of a synthesizer that has one lies.

    Raises:
        ConfigError: there is none.
    """
    path = PROJECT_ROOT / str(config.checkpoint)
    if not path.is_file():
        raise ConfigError(f"synthesizers.{config.name}.checkpoint", f"there is no file {path}")
    return path


def warm_up_voices(synthesizer: Synthesizer) -> None:
    """Have the first voice say something, so that no client pays for the first run. One that
    cannot read it is not to blame."""
    with suppress(UnspeakableError):
        synthesizer.synthesize(SynthesisRequest("1, 2, 3.", synthesizer.voices[0].name))


def licence_lines(models: Iterable[ModelConfig | SynthesizerConfig]) -> Iterator[str]:
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


def require_safe_surroundings(environment: Mapping[str, str]) -> None:
    """Refuse to load any checkpoint where a stranger's could do more than it should.

    Raises:
        ConfigError: NeMo or Ray is older than `LEAST_VERSIONS`, or torch is told to trust pickles.
    """
    for package, least in LEAST_VERSIONS.items():
        found = metadata.version(package)
        if tuple(int(part) for part in re.findall(r"\d+", found)[: len(least)]) < least:
            wanted = ".".join(str(part) for part in least)
            raise ConfigError("models", f"{package} {found} has known holes; {wanted} is the least")
    if environment.get(_NO_WEIGHTS_ONLY, "").lower() in ("1", "y", "yes", "true"):
        raise ConfigError("models", f"{_NO_WEIGHTS_ONLY} would have torch run what weights say")


def verify(path: Path, config: ModelConfig) -> None:
    """Refuse a file that is not the one that was configured, or that would run more than a model.

    Raises:
        ConfigError: the digest differs, or something in it is unsafe; then what and where.
    """
    if config.sha256 is not None:
        require_digest(path, config.sha256, f"models.{config.name}.sha256")
    require_harmless(path, f"models.{config.name}.checkpoint")


def require_harmless(path: Path, place: str) -> None:
    """
    Raises:
        ConfigError: at `place`: what is in it that no model needs, or that it is no checkpoint.
    """
    try:
        inspect_checkpoint(path)
    except UnsafeCheckpointError as error:
        raise ConfigError(place, f"{path} is refused: {error}") from error
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, ValueError, EOFError) as error:
        raise ConfigError(place, f"{path} is no NeMo checkpoint: {error}") from error


def require_digest(path: Path, sha256: str, place: str) -> None:
    """
    Raises:
        ConfigError: at `place`: the file is another one.
    """
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise ConfigError(place, f"{path} has {found}, not the configured {sha256}")


def warm_up_streams(recognizer: StreamingRecognizer, *, num_streams: int) -> None:
    """Run noise through the first slots: a segment of three steps, the last a short one."""
    noise = np.random.default_rng(0).integers(-1000, 1000, recognizer.step_samples, dtype=np.int16)
    slots = range(num_streams)
    for slot in slots:
        recognizer.occupy(slot, StreamOptions())
    for pcm, is_last in ((noise, False), (noise, False), (noise[: len(noise) // 2], True)):
        recognizer.step([StreamFrame(slot, pcm.tobytes(), is_last) for slot in slots])
    for slot in slots:
        recognizer.release(slot)


def warm_up(recognizer: Recognizer, durations_s: Sequence[float]) -> None:
    """Run noise of each length through the model, so that no client pays for the first run."""
    for duration_s in durations_s:
        request = RecognitionRequest(Chunk(_noise(duration_s), 0.0), RecognitionOptions())
        recognizer.recognize(recognizer.prepare([request]))


def _noise(duration_s: float) -> bytes:
    num_samples = int(duration_s * SAMPLE_RATE_HZ)
    return np.random.default_rng(0).integers(-1000, 1000, num_samples, dtype=np.int16).tobytes()
