"""The recipe of parakeet-tiny: a token-and-duration transducer that hears whole recordings.

The saved model is what `nvidia/parakeet-tdt_ctc-110m` is, only smaller.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from tiny.hybrid import Recipe
from tiny.parakeet import rows
from tiny.parakeet.tdt_loss import tdt_loss
from tiny.release import TrainingOptions

DURATIONS = (0, 1, 2, 3, 4)

OPTIONS = TrainingOptions(seed=1, epochs=6, minutes=32.0, num_rows=13_200, batch_audio_s=80.0)


def transducer_loss(
    scores: Tensor, labels: Tensor, spans: Tensor, num_frames: Tensor, num_labels: Tensor
) -> Tensor:
    """Return the loss of each row, where words are said near where they are spoken."""
    tokens, durations = scores.split([scores.shape[-1] - len(DURATIONS), len(DURATIONS)], -1)
    return tdt_loss(
        tokens.log_softmax(-1),
        durations.log_softmax(-1),
        labels,
        num_frames,
        num_labels,
        durations=DURATIONS,
        spans=spans,
    )


RECIPE = Recipe(
    name="parakeet-tiny",
    config=Path(__file__).with_name("parakeet.yaml"),
    render_row=rows.render,
    transducer_loss=transducer_loss,
    max_duration=DURATIONS[-1],
)
