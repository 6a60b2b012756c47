"""Checkpoints made for streams (cache-aware FastConformers): each frame is encoded once.

What the encoder needs of the past lies in NeMo's caches, one slot for each stream. NeMo's own
pipeline (`asr.inference.pipelines.cache_aware_*`) is taken apart here: its feature bufferer, its
cache manager, the encoder's step and the decoder's computer are used as they are; its ideas of when
an utterance ends, which change its text, and its text processing are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
from nemo.collections.asr.inference.streaming.buffering.cache_feature_bufferer import (
    BatchedCacheFeatureBufferer,
)
from nemo.collections.asr.inference.streaming.framing.request import Frame
from nemo.collections.asr.inference.utils.context_manager import (
    CacheAwareContext,
    CacheAwareContextManager,
)
from nemo.collections.asr.inference.utils.pipeline_utils import make_preprocessor_deterministic
from nemo.collections.asr.models import (
    EncDecCTCModelBPE,
    EncDecHybridRNNTCTCModel,
    EncDecRNNTModel,
)

from serve_app.audio.waveform import SAMPLE_RATE_HZ
from serve_app.config import ModelConfig
from serve_app.errors import ConfigError
from serve_app.models.offline.recognizer import device_name
from serve_app.models.offline.words import words_of
from serve_app.models.protocols import ModelInfo, StreamOptions
from serve_app.models.streaming.decoders import (
    CtcDecoder,
    Decoded,
    FrameDecoder,
    TransducerDecoder,
)
from serve_app.models.streaming.segments import (
    Said,
    Segment,
    SegmentRecognizer,
    num_certain,
    said_of,
    streaming_of,
)


@dataclass(slots=True, eq=False)
class CacheAwareSegment(Segment):
    decoded: Decoded = field(default_factory=Decoded)


class CacheAwareRecognizer(SegmentRecognizer[CacheAwareSegment]):
    """A step is as long as the encoder's chunk: its look-ahead and one frame."""

    def __init__(self, model: Any, config: ModelConfig) -> None:
        """
        Raises:
            ConfigError: the checkpoint is of another family or not made for streams, or has not
                the attention context or the decoder that is configured.
        """
        self._decoder = _decoder_of(model, config)
        self._encoder = model.encoder
        _set_attention_context(self._encoder, config)
        self._device: torch.device = next(model.parameters()).device
        self._dtype: torch.dtype = next(model.parameters()).dtype
        preprocessor = make_preprocessor_deterministic(model.cfg.copy()).preprocessor
        stride_s = float(preprocessor.window_stride)
        self._frame_s = stride_s * self._encoder.subsampling_factor
        chunk = _last(self._encoder.streaming_cfg.chunk_size)
        """Feature frames of a step; NeMo gives them for the first step and for all others."""
        super().__init__(
            config,
            ModelInfo(config.name, config.kind, config.languages, device=device_name(self._device)),
            step_samples=round(chunk * stride_s * SAMPLE_RATE_HZ),
        )
        before = _last(self._encoder.streaming_cfg.pre_encode_cache_size)
        # NeMo truncates its products of seconds and rates: 0.09 + 0.08 would be 16 strides of 10 ms
        half_a_sample_s = 0.5 / SAMPLE_RATE_HZ
        self._features = BatchedCacheFeatureBufferer(
            num_slots=self.num_slots,
            sample_rate=SAMPLE_RATE_HZ,
            buffer_size_in_secs=(before + chunk) * stride_s + half_a_sample_s,
            chunk_size_in_secs=chunk * stride_s + half_a_sample_s,
            preprocessor_cfg=preprocessor,
            device=self._device,
        )
        self._caches = CacheAwareContextManager(
            SimpleNamespace(
                get_initial_cache_state=partial(
                    self._encoder.get_initial_cache_state, dtype=self._dtype
                )
            ),
            num_slots=self.num_slots,
        )
        self._only_language = config.languages[0] if len(config.languages) == 1 else None

    def _begin(self, slot: int, options: StreamOptions) -> CacheAwareSegment:
        return CacheAwareSegment(slot, options)

    @torch.inference_mode()
    def _advance(self, segments: Sequence[CacheAwareSegment]) -> None:
        heard = [segment for segment in segments if len(segment.arrived)]
        if heard:
            encoded, num_frames = self._encode(heard)
            self._decoder.extend([segment.decoded for segment in heard], encoded, num_frames)

    def _encode(self, segments: Sequence[CacheAwareSegment]) -> tuple[torch.Tensor, torch.Tensor]:
        """The encoder's frames of what has arrived, and how many they are in each row."""
        buffered, num_missing = self._features.update([self._frame(each) for each in segments])
        features = torch.stack(buffered)
        slots = [segment.slot for segment in segments]
        caches, places = self._caches.get_context(slots)
        encoded, num_frames, *new_caches = self._encoder.cache_aware_stream_step(
            processed_signal=features.to(self._dtype),
            processed_signal_length=features.shape[-1]
            - torch.tensor(num_missing, device=self._device),
            cache_last_channel=caches.cache_last_channel,
            cache_last_time=caches.cache_last_time,
            cache_last_channel_len=caches.cache_last_channel_len,
            keep_all_outputs=True,
            drop_extra_pre_encoded=self._encoder.streaming_cfg.drop_extra_pre_encoded,
        )
        self._caches.update_cache(slots, CacheAwareContext(*new_caches), places)
        return encoded, num_frames

    def _frame(self, segment: CacheAwareSegment) -> Frame:
        samples = torch.zeros(self.step_samples)
        length = len(segment.arrived)
        samples[:length] = torch.from_numpy(segment.arrived.astype("float32")) / 32768.0
        return Frame(samples=samples, stream_id=segment.slot, length=length)

    def _said(self, segment: CacheAwareSegment) -> Said:
        words = words_of(
            segment.decoded.pieces, frame_s=self._frame_s, duration_s=segment.duration_s
        )
        language = segment.options.language or self._only_language
        return said_of(words, num_certain=num_certain(words, segment), language=language)

    def _quiet_s(self, segment: CacheAwareSegment) -> float | None:
        quiet_frames = segment.decoded.quiet_frames
        return None if quiet_frames is None else quiet_frames * self._frame_s

    @torch.inference_mode()
    def _forget(self, slot: int) -> None:
        """NeMo frees the slots of streams that it saw end; of others it forgets nothing."""
        if slot in self._caches.streamidx2slotidx:
            self._caches.reset_slots([slot], [True])
        if slot in self._features.streamidx2slotidx:
            self._features.free_slots([self._features.streamidx2slotidx[slot]])


def _decoder_of(model: Any, config: ModelConfig) -> FrameDecoder:
    """The decoder that is asked for; that of a CTC model is its only one."""
    is_ctc = isinstance(model, EncDecCTCModelBPE)
    is_hybrid = isinstance(model, EncDecHybridRNNTCTCModel)
    if not (is_ctc or isinstance(model, EncDecRNNTModel)):
        raise ConfigError(
            f"models.{config.name}.kind",
            f"{config.checkpoint} holds a {type(model).__name__}, which is neither a "
            "transducer nor a CTC model",
        )
    if getattr(model, "concat", False):
        raise ConfigError(
            f"models.{config.name}.checkpoint",
            f"{config.checkpoint} wants a prompt with each stream, which this server cannot give",
        )
    wants_ctc = streaming_of(config).decoder == "ctc"
    if wants_ctc and not (is_ctc or is_hybrid):
        raise ConfigError(
            f"models.{config.name}.streaming.decoder", f"{config.checkpoint} has no CTC decoder"
        )
    if is_ctc or wants_ctc:
        return CtcDecoder(model)
    device = next(model.parameters()).device
    return TransducerDecoder(model, cuda_graphs=config.cuda_graphs and device.type == "cuda")


def _set_attention_context(encoder: Any, config: ModelConfig) -> None:
    if getattr(encoder, "att_context_style", None) != "chunked_limited":
        raise ConfigError(
            f"models.{config.name}.streaming.method",
            f"{config.checkpoint} is not made for cache-aware streams; `buffered` can stream it",
        )
    possible = [list(context) for context in encoder.att_context_size_all]
    wanted = streaming_of(config).att_context
    context = possible[0] if wanted is None else list(wanted)
    if context not in possible:
        raise ConfigError(
            f"models.{config.name}.streaming.att_context",
            f"{context} is none of the checkpoint's: {', '.join(map(str, possible))}",
        )
    encoder.set_default_att_context_size(context)


def _last(sizes: int | list[int]) -> int:
    """NeMo tells some sizes apart for the first step and the rest; this is that of the rest."""
    return sizes[-1] if isinstance(sizes, list) else sizes
