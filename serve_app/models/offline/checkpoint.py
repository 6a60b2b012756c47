"""A configured checkpoint in, a NeMo model on its device out."""

import logging
from typing import Any

import torch
from nemo.collections.asr.models import ASRModel
from nemo.utils import logging as nemo_logging

from serve_app.config import ModelConfig
from serve_app.errors import ConfigError
from serve_app.models.loader import checkpoint_path, verify_sha256

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def restore(config: ModelConfig) -> Any:  # NeMo's models are untyped
    """The model in evaluation mode, on its device, in its precision, without dither.

    Raises:
        ConfigError: the checkpoint is missing, unreadable, or differs from its sha256, or there is
            no such device.
    """
    nemo_logging.setLevel(logging.ERROR)
    torch.set_num_threads(config.num_threads)
    device = _device_of(config)
    path = checkpoint_path(config)
    if path is None:
        model = _from_hub(config, device)
    else:
        verify_sha256(path, config)
        try:
            model = ASRModel.restore_from(str(path), map_location=device)
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


def _from_hub(config: ModelConfig, device: torch.device) -> Any:
    """Download into the hub's own cache (`HF_HOME`), with `HF_TOKEN` where it is set."""
    try:
        return ASRModel.from_pretrained(config.checkpoint, map_location=device)
    except Exception as error:  # the hub's client raises many kinds; all of them mean this
        raise ConfigError(
            f"models.{config.name}.checkpoint",
            f"{config.checkpoint} could not be fetched from the hub ({error}). If its licence must "
            "be accepted first, do so on its page there, create a token, and set HF_TOKEN; where "
            "there is no network, give the path of a .nemo file instead",
        ) from error
