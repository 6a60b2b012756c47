"""NeMo's transducers (Parakeet TDT, RNNT, hybrids), straight through forward and decoder.

No `transcribe()`, no files: padded rows go in as one tensor, and tokens with their frames come out.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from nemo.collections.asr.models import ASRModel, EncDecHybridRNNTCTCModel, EncDecRNNTModel
from nemo.utils import logging as nemo_logging
from omegaconf import open_dict

from serve_app.audio.waveform import SAMPLE_RATE_HZ
from serve_app.config import ModelConfig
from serve_app.errors import ConfigError
from serve_app.models.loader import checkpoint_path, verify_sha256
from serve_app.models.offline.words import TimedPiece, words_of
from serve_app.models.protocols import DeviceMemoryError, ModelInfo, RecognitionRequest
from serve_app.transcript.types import Hypothesis, Token

logger = logging.getLogger(__name__)

_MIN_SAMPLES = SAMPLE_RATE_HZ // 10
"""Shorter rows are padded with silence: the features are normalised over time and need some."""

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class _Batch:
    requests: tuple[RecognitionRequest, ...]
    samples: torch.Tensor
    """int16, `(num_rows, longest)`, zeros after each row's end."""
    num_samples: torch.Tensor
    """int64, `(num_rows,)`."""


class ParakeetRecognizer:
    """One checkpoint on one device."""

    def __init__(self, config: ModelConfig) -> None:
        """Load the checkpoint and prepare its decoder.

        Raises:
            ConfigError: the checkpoint is missing, differs from its sha256, or is no transducer.
        """
        torch.set_num_threads(config.num_threads)
        self._device = _device_of(config)
        self._model = _restore(config, self._device)
        _decode_with_times_and_confidence(
            self._model, cuda_graphs=config.cuda_graphs and self._device.type == "cuda"
        )
        self._model.to(_DTYPES[config.precision]).eval()
        self._model.preprocessor.featurizer.dither = 0.0
        tokenizer = self._model.tokenizer
        self._pieces = [str(tokenizer.ids_to_tokens([i])[0]) for i in range(tokenizer.vocab_size)]
        self._frame_s = float(
            self._model.cfg.preprocessor.window_stride * self._model.encoder.subsampling_factor
        )
        self._only_language = config.languages[0] if len(config.languages) == 1 else None
        self.info = ModelInfo(
            name=config.name,
            kind=config.kind,
            languages=config.languages,
            device=_name_of(self._device),
        )

    def prepare(self, requests: Sequence[RecognitionRequest]) -> object:
        """Pad the rows into one tensor in page-locked memory, ready to be copied to the device."""
        lengths = [max(request.chunk.num_samples, _MIN_SAMPLES) for request in requests]
        samples = torch.zeros(len(requests), max(lengths), dtype=torch.int16)
        rows = samples.numpy()
        for row, request in zip(rows, requests, strict=True):
            row[: request.chunk.num_samples] = request.chunk.samples()
        if self._device.type == "cuda":
            samples = samples.pin_memory()
        return _Batch(tuple(requests), samples, torch.tensor(lengths))

    def recognize(self, prepared: object) -> list[Hypothesis]:
        """See `Recognizer`."""
        assert isinstance(prepared, _Batch)
        try:
            decoded = self._decode(prepared)
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            raise DeviceMemoryError(str(error)) from error
        return [
            self._hypothesis(request, found)
            for request, found in zip(prepared.requests, decoded, strict=True)
        ]

    @torch.inference_mode()
    def _decode(self, batch: _Batch) -> list[Any]:
        samples = batch.samples.to(self._device, non_blocking=True)
        encoded, num_frames = self._model(
            input_signal=samples.to(torch.float32) / 32768.0,
            input_signal_length=batch.num_samples.to(self._device, non_blocking=True),
        )
        hypotheses: list[Any] = self._model.decoding.rnnt_decoder_predictions_tensor(
            encoder_output=encoded, encoded_lengths=num_frames, return_hypotheses=True
        )
        return hypotheses

    def _hypothesis(self, request: RecognitionRequest, found: Any) -> Hypothesis:  # NeMo's type
        ids = [int(i) for i in found.y_sequence]
        starts = [int(frame) for frame in found.timestamp]
        spans = [int(span) for span in found.token_duration] or [1] * len(ids)
        pieces = [
            TimedPiece(self._pieces[i], start, start + max(span, 1), probability)
            for i, start, span, probability in zip(
                ids, starts, spans, self._probabilities(found), strict=True
            )
        ]
        tokens = None
        if request.options.logprobs:
            tokens = tuple(
                Token(piece.piece, float(np.log(max(piece.probability, 1e-10))))
                for piece in pieces
                if piece.probability is not None
            )
        return Hypothesis(
            text=str(found.text).strip(),
            words=words_of(pieces, frame_s=self._frame_s, duration_s=request.chunk.duration_s),
            tokens=tokens,
            language=request.options.language or self._only_language,
        )

    def _probabilities(self, found: Any) -> list[float]:
        """Undo NeMo's scaling of `max_prob` confidences (chance is 0 there), back to softmax.

        Source: `asr_confidence_utils.get_confidence_measure_bank`, `(p·V − 1) / (V − 1)`.
        """
        num_classes = len(self._pieces) + 1
        return [
            (float(confidence) * (num_classes - 1) + 1) / num_classes
            for confidence in found.non_blank_step_confidence_precomputed
        ]


def _device_of(config: ModelConfig) -> torch.device:
    if config.device == "cpu" or (config.device == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ConfigError(f"models.{config.name}.device", "no GPU is visible to this replica")
    return torch.device("cuda")


def _name_of(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def _restore(config: ModelConfig, device: torch.device) -> Any:  # NeMo's models are untyped
    nemo_logging.setLevel(logging.ERROR)
    path = checkpoint_path(config)
    if path is not None:
        verify_sha256(path, config)
        model = ASRModel.restore_from(str(path), map_location=device)
    else:
        model = _from_hub(config, device)
    if not isinstance(model, EncDecRNNTModel | EncDecHybridRNNTCTCModel):
        raise ConfigError(
            f"models.{config.name}.kind",
            f"{config.checkpoint} holds a {type(model).__name__}, which is no transducer",
        )
    return model


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


def _decode_with_times_and_confidence(model: Any, *, cuda_graphs: bool) -> None:
    """Greedy decoding of the whole batch at once, which keeps frames, spans and probabilities.

    Without CUDA graphs, NeMo 3.0's batched TDT loop forgets the duration of a token while other
    rows of the batch still look for theirs (`tdt_label_looping.py`: `durations` is overwritten for
    all rows), so a word's end would depend on its company. Recording every step, which counting
    blanks as confidence makes it do, keeps the duration that belongs to each token.
    """
    decoding = model.cfg.decoding.copy()
    with open_dict(decoding):
        decoding.strategy = "greedy_batch"
        decoding.tdt_include_token_duration = True
        decoding.greedy.loop_labels = True
        decoding.greedy.use_cuda_graph_decoder = cuda_graphs
        decoding.confidence_cfg = {
            "preserve_frame_confidence": True,
            "exclude_blank": cuda_graphs,
            "method_cfg": {"name": "max_prob", "alpha": 1.0},
        }
    if isinstance(model, EncDecHybridRNNTCTCModel):
        model.change_decoding_strategy(decoding, decoder_type="rnnt", verbose=False)
    else:
        model.change_decoding_strategy(decoding, verbose=False)
