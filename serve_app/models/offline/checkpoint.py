"""A configured checkpoint in, a NeMo model on its device out."""

import logging
from pathlib import Path
from typing import Any

import torch
from nemo.collections.asr.models import ASRModel
from nemo.utils import logging as nemo_logging

from serve_app.config import ModelConfig
from serve_app.errors import ConfigError
from serve_app.models.loader import checkpoint_path, verify

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def restore(config: ModelConfig, family: Any = ASRModel) -> Any:  # NeMo's models are untyped
    """The model in evaluation mode, on its device, in its precision, without dither.

    `family` is what of NeMo's it must be one of.

    Raises:
        ConfigError: the checkpoint is missing, unreadable, unsafe, or differs from its sha256, or
            there is no such device.
    """
    nemo_logging.setLevel(logging.ERROR)
    torch.set_num_threads(config.num_threads)
    device = _device_of(config)
    path = checkpoint_path(config) or _from_hub(config)
    verify(path, config)
    try:
        model = family.restore_from(str(path), map_location=device)
    except Exception as error:  # NeMo, tarfile and torch raise many kinds; all mean this
        raise ConfigError(
            f"models.{config.name}.checkpoint", f"{path} is no NeMo checkpoint: {error}"
        ) from error
    model.to(device=device, dtype=_DTYPES[config.precision]).eval()
    model.preprocessor.featurizer.dither = 0.0
    return model


def _device_of(config: ModelConfig) -> torch.device:
    if config.device != "cpu" and torch.cuda.is_available():
        return torch.device("cuda")
    if config.device == "cuda":
        raise ConfigError(f"models.{config.name}.device", "no GPU is visible to this replica")
    return torch.device("cpu")


def _from_hub(config: ModelConfig) -> Path:
    """Download into the hub's own cache (`HF_HOME`), with `HF_TOKEN` where it is set; open nothing.

    Raises:
        ConfigError: it cannot be fetched, or there is no `.nemo` file under that name.
    """
    place = f"models.{config.name}.checkpoint"
    try:
        path = Path(ASRModel.from_pretrained(config.checkpoint, return_model_file=True))
    except Exception as error:  # the hub's client raises many kinds; all of them mean this
        raise ConfigError(
            place,
            f"{config.checkpoint} could not be fetched from the hub ({error}). If its licence must "
            "be accepted first, do so on its page there, create a token, and set HF_TOKEN; where "
            "there is no network, give the path of a .nemo file instead",
        ) from error
    if not path.is_file():
        raise ConfigError(place, f"{config.checkpoint} is no single .nemo file on the hub")
    return path
