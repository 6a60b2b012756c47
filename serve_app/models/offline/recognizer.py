"""What all NeMo models of this room share: rows to a tensor, and what a full memory means."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from serve_app.allocator import Trimmer
from serve_app.audio.waveform import SAMPLE_RATE_HZ
from serve_app.config import ModelConfig
from serve_app.models.protocols import DeviceMemoryError, ModelInfo, RecognitionRequest
from serve_app.transcript.types import Hypothesis

_MIN_SAMPLES = SAMPLE_RATE_HZ // 10
"""Shorter rows are padded with silence: the features are normalised over time and need some."""


@dataclass(frozen=True, slots=True)
class _Rows:
    requests: tuple[RecognitionRequest, ...]
    samples: torch.Tensor
    """int16, `(num_rows, longest)`, zeros after each row's end."""
    num_samples: torch.Tensor
    """int64, `(num_rows,)`."""


class NemoRecognizer(ABC):
    """One checkpoint on one device, straight through forward and decoder; see `Recognizer`."""

    def __init__(self, model: Any, config: ModelConfig) -> None:
        self._model = model
        self._trim = Trimmer()
        self._device: torch.device = next(model.parameters()).device
        self._frame_s = float(
            model.cfg.preprocessor.window_stride * model.encoder.subsampling_factor
        )
        """Seconds between two frames of the encoder."""
        self.info = ModelInfo(
            name=config.name,
            kind=config.kind,
            languages=config.languages,
            device=device_name(self._device),
        )

    def prepare(self, requests: Sequence[RecognitionRequest]) -> object:
        """Pad the rows into one tensor, in page-locked memory where a GPU will fetch it."""
        lengths = [max(request.chunk.num_samples, _MIN_SAMPLES) for request in requests]
        samples = torch.zeros(len(requests), max(lengths), dtype=torch.int16)
        for row, request in zip(samples.numpy(), requests, strict=True):
            row[: request.chunk.num_samples] = request.chunk.samples()
        if self._device.type == "cuda":
            samples = samples.pin_memory()
        return _Rows(tuple(requests), samples, torch.tensor(lengths))

    def recognize(self, prepared: object) -> list[Hypothesis]:
        assert isinstance(prepared, _Rows)
        try:
            return self._recognized(prepared)
        except torch.OutOfMemoryError as error:
            reason = str(error)
        finally:
            self._trim()
        # Not within `except`: the error's trace holds the frames, and they the tensors, of what
        # did not fit.
        torch.cuda.empty_cache()
        raise DeviceMemoryError(reason)

    def _recognized(self, prepared: _Rows) -> list[Hypothesis]:
        with torch.inference_mode():
            samples = prepared.samples.to(self._device, non_blocking=True)
            return self._hypotheses(
                prepared.requests,
                samples.to(torch.float32) / 32768.0,
                prepared.num_samples.to(self._device, non_blocking=True),
            )

    @abstractmethod
    def _hypotheses(
        self,
        requests: Sequence[RecognitionRequest],
        signal: torch.Tensor,
        num_samples: torch.Tensor,
    ) -> list[Hypothesis]:
        """One hypothesis per row of `signal`, float32 `(num_rows, longest)` within [-1, 1]."""


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
