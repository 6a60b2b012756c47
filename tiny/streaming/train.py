"""The recipe of parakeet-streaming-tiny: a transducer that hears no more than a little ahead.

The saved model is what `nvidia/stt_en_fastconformer_hybrid_large_streaming_multi` is, only
smaller. Each batch is heard with a look-ahead that NeMo draws from those of the
configuration, so that one file serves all of them.
"""

from __future__ import annotations

from pathlib import Path

import torch
from nemo.collections.asr.models import ASRModel, EncDecHybridRNNTCTCBPEModel
from torch import Tensor

from tiny.hybrid import Recipe
from tiny.release import TrainingOptions
from tiny.streaming import rows
from tiny.streaming.rnnt_loss import rnnt_loss

OPTIONS = TrainingOptions(
    seed=1,
    epochs=5,
    minutes=40.0,
    num_rows=16_000,
    batch_audio_s=80.0,
    peak_learning_rate=1.5e-3,
)

LATEST_FRAMES = 5
"""How long after its end a word may come: 0.4 s, for a model that hears nothing ahead has to
have heard the end."""

_NO_LIMIT = 10_000
"""Frames of a word: there are no durations that it has to fit into."""

_FEATURE_MEAN, _FEATURE_SCALE = -10.0, 3.0
"""Of log-mel energies that nobody normalises, roughly."""


def transducer_loss(
    scores: Tensor, labels: Tensor, spans: Tensor, num_frames: Tensor, num_labels: Tensor
) -> Tensor:
    """Return the loss of each row, where words come from their middle to a little after them."""
    start, end = spans.unbind(-1)
    latest = torch.minimum(end + LATEST_FRAMES, num_frames[:, None] - 1)
    windows = torch.stack([(start + end) // 2, latest], -1)
    return rnnt_loss(scores, labels, num_frames, num_labels, windows=windows)


RECIPE = Recipe(
    name="parakeet-streaming-tiny",
    config=Path(__file__).with_name("streaming.yaml"),
    render_row=rows.render,
    transducer_loss=transducer_loss,
    max_duration=_NO_LIMIT,
    naming_delay=2,
)


def begin_with(model: EncDecHybridRNNTCTCBPEModel, weights: Path) -> None:
    """Give the model what it can use of parakeet-tiny's weights: nearly all.

    Three differ. Its features were normalised, which the first convolution can do instead.
    Causal padding adds a band below the lowest. Its joint also scored durations.
    """
    given = ASRModel.restore_from(str(weights), map_location="cpu").state_dict()
    taken = model.state_dict()
    first = "encoder.pre_encode.conv.0"
    kernel = given[f"{first}.weight"] / _FEATURE_SCALE
    given[f"{first}.bias"] = given[f"{first}.bias"] - _FEATURE_MEAN * kernel.sum((1, 2, 3))
    given[f"{first}.weight"] = kernel
    bands = "encoder.pre_encode.out.weight"
    width = len(given[bands])
    wide = torch.zeros_like(taken[bands]).view(width, model.encoder.pre_encode._conv_channels, -1)
    wide[:, :, 1:] = given[bands].view(width, wide.shape[1], -1)
    given[bands] = wide.view(width, -1)
    for name, value in taken.items():
        taken[name] = given[name][: len(value)]
    model.load_state_dict(taken)
