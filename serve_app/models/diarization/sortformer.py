"""NeMo's Sortformer in its streaming form: hours of a recording in bounded memory.

Its steps are cut as `SortformerEncLabelModel.forward_streaming` cuts a whole recording, so that the
probabilities are those of the whole, however the recording comes in pieces. What it remembers of
the speakers is NeMo's speaker cache and its queue of the latest frames.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from nemo.collections.asr.models import SortformerEncLabelModel

from serve_app.audio.waveform import SAMPLE_RATE_HZ, Pcm
from serve_app.config import ModelConfig
from serve_app.errors import ConfigError
from serve_app.models.offline.checkpoint import restore
from serve_app.models.offline.recognizer import device_name
from serve_app.models.protocols import ModelInfo

MAX_STEP_S = 40.0
"""Audio that a step may need before its frames are certain. The pipeline lets the model be no
further behind than a minute, and its own pieces and rules are in that, too."""

_FULL = 255


@dataclass(slots=True, eq=False)
class Memory:
    """One recording, as far as it has been heard."""

    state: Any
    """NeMo's: the speaker cache and the queue."""
    features: torch.Tensor
    """`(num_mels, num_kept)`: those that steps to come will see."""
    samples: Pcm
    """Those of which features are still to be made, and a few before."""
    num_samples: int = 0
    first_sample: int = 0
    """Of `samples`, in the recording."""
    first_feature: int = 0
    """Of `features`, in the recording."""
    next_feature: int = 0
    """Where the next step begins."""
    has_ended: bool = False

    @property
    def num_features(self) -> int:
        return self.first_feature + self.features.shape[1]


class SortformerDiarizer:
    """See `Diarizer`. A step is of one recording: the model is small, its memory is what counts."""

    def __init__(self, model: Any, config: ModelConfig) -> None:
        """
        Raises:
            ConfigError: the checkpoint cannot hear a recording in pieces.
        """
        self._model = model
        self._device: torch.device = next(model.parameters()).device
        modules, featurizer = model.sortformer_modules, model.preprocessor.featurizer
        self._subsampling = int(modules.subsampling_factor)
        self._chunk = modules.chunk_len * self._subsampling
        self._left = modules.chunk_left_context * self._subsampling
        self._right = modules.chunk_right_context * self._subsampling
        """Feature frames of a step, and those that it sees before and behind them."""
        self._hop = int(featurizer.hop_length)
        self._half_window = int(featurizer.n_fft) // 2
        self.num_speakers = int(modules.n_spk)
        self.frame_s = self._subsampling * self._hop / SAMPLE_RATE_HZ
        self.step_s = (self._chunk + self._right) * self._hop / SAMPLE_RATE_HZ
        _require_pieces(model, config, self.step_s)
        self.info = ModelInfo(
            config.name, config.kind, (), word_times=False, device=device_name(self._device)
        )

    def begin(self) -> Memory:
        modules = self._model.sortformer_modules
        return Memory(
            state=modules.init_streaming_state(
                batch_size=1, async_streaming=self._model.async_streaming, device=self._device
            ),
            features=torch.zeros(self._model.cfg.preprocessor.features, 0, device=self._device),
            samples=np.zeros(0, dtype=np.int16),
        )

    def hear(self, memory: object, pcm: bytes, *, is_last: bool) -> bytes:
        assert isinstance(memory, Memory)
        with torch.inference_mode():
            steps = list(self.probabilities(memory, np.frombuffer(pcm, "<i2"), is_last=is_last))
            if not steps:
                return b""
            whole = torch.cat(steps).mul(_FULL).round().to(torch.uint8)
        return bytes(whole.cpu().numpy().tobytes())

    def probabilities(
        self, memory: Memory, samples: Pcm, *, is_last: bool
    ) -> Iterator[torch.Tensor]:
        """Float32 `(num_frames, num_speakers)` of each step that what has come makes possible."""
        memory.samples = np.concatenate([memory.samples, samples])
        memory.num_samples += len(samples)
        memory.has_ended = is_last
        self._extend_features(memory)
        while (end := self._end_of_step(memory)) is not None:
            yield self._step(memory, end)

    def _extend_features(self, memory: Memory) -> None:
        """Make the features that no later sample can change; at the end, all."""
        if memory.has_ended:
            num_certain = memory.num_samples // self._hop
        else:
            num_certain = max(0, (memory.num_samples - self._half_window) // self._hop + 1)
        if num_certain <= memory.num_features:
            return
        signal = torch.from_numpy(memory.samples.astype(np.float32) / 32768.0).to(self._device)
        made, _ = self._model.preprocessor(
            input_signal=signal[None], length=torch.tensor([len(signal)], device=self._device)
        )
        before = memory.first_sample // self._hop
        new = made[0, :, memory.num_features - before : num_certain - before]
        memory.features = torch.cat([memory.features, new], dim=1)
        # A window reaches back by half of it, and pre-emphasis by a sample more.
        keep_from = max(0, num_certain - (self._half_window + 1) // self._hop - 1) * self._hop
        memory.samples = memory.samples[keep_from - memory.first_sample :]
        memory.first_sample = keep_from

    def _end_of_step(self, memory: Memory) -> int | None:
        """Where the next step ends; None where it needs more than has come."""
        end = memory.next_feature + self._chunk
        if memory.has_ended:
            end = min(end, memory.num_features)
            return end if end > memory.next_feature else None
        return end if memory.num_features >= end + self._right else None

    def _step(self, memory: Memory, end: int) -> torch.Tensor:
        left = min(self._left, memory.next_feature)
        right = min(self._right, memory.num_features - end)
        begin = memory.next_feature - left
        seen = memory.features[:, begin - memory.first_feature : end + right - memory.first_feature]
        memory.state, probabilities = self._model.forward_streaming_step(
            processed_signal=seen.T[None],
            processed_signal_length=torch.tensor([seen.shape[1]], device=self._device),
            streaming_state=memory.state,
            total_preds=torch.zeros(1, 0, self.num_speakers, device=self._device),
            left_offset=left,
            right_offset=right,
        )
        memory.next_feature = end
        keep_from = max(memory.first_feature, end - self._left)
        memory.features = memory.features[:, keep_from - memory.first_feature :]
        memory.first_feature = keep_from
        return torch.as_tensor(probabilities[0])


def restore_sortformer(config: ModelConfig) -> Any:
    """See `restore`."""
    return restore(config, SortformerEncLabelModel)


def _require_pieces(model: Any, config: ModelConfig, step_s: float) -> None:
    place = f"models.{config.name}.checkpoint"
    featurizer = model.preprocessor.featurizer
    if not model.streaming_mode:
        raise ConfigError(
            place, f"{config.checkpoint} hears recordings only as a whole (no `streaming_mode`)"
        )
    if featurizer.normalize in ("per_feature", "all_features") or featurizer.exact_pad:
        raise ConfigError(
            place, f"{config.checkpoint} normalises its features over the whole recording"
        )
    if step_s > MAX_STEP_S:
        raise ConfigError(
            place, f"{config.checkpoint} needs {step_s:g} s for a step; {MAX_STEP_S:g} is the most"
        )
