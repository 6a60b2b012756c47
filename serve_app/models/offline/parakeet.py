"""NeMo's transducers and CTC models (the Parakeet family, FastConformers, hybrids)."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from nemo.collections.asr.models import (
    EncDecCTCModelBPE,
    EncDecHybridRNNTCTCModel,
    EncDecRNNTModel,
)

from serve_app.config import ModelConfig
from serve_app.errors import ConfigError
from serve_app.models.decoding import (
    extend_by_best_path,
    keep_times_and_confidences,
    pieces_of,
    vocabulary_of,
)
from serve_app.models.offline.hotwords import BiasedBestPath, BiasedTransducer
from serve_app.models.offline.recognizer import NemoRecognizer
from serve_app.models.offline.words import TimedPiece, words_of
from serve_app.models.protocols import RecognitionRequest
from serve_app.transcript.types import Hypothesis, Token


class ParakeetRecognizer(NemoRecognizer):
    """A transducer, decoded greedily for the whole batch at once; or a CTC model."""

    def __init__(self, model: Any, config: ModelConfig) -> None:
        """
        Raises:
            ConfigError: the checkpoint is of another family.
        """
        super().__init__(model, config)
        self._is_ctc = isinstance(model, EncDecCTCModelBPE)
        if isinstance(model, EncDecRNNTModel | EncDecHybridRNNTCTCModel):
            keep_times_and_confidences(
                model, cuda_graphs=config.cuda_graphs and self._device.type == "cuda"
            )
        elif not self._is_ctc:
            raise ConfigError(
                f"models.{config.name}.kind",
                f"{config.checkpoint} holds a {type(model).__name__}, which is neither a "
                "transducer nor a CTC model",
            )
        self._vocabulary = vocabulary_of(model)
        self._only_language = config.languages[0] if len(config.languages) == 1 else None
        self._strength = config.hotword_strength
        self._biased: BiasedTransducer | None = None
        self._biased_path: BiasedBestPath | None = None

    def _hypotheses(
        self,
        requests: Sequence[RecognitionRequest],
        signal: torch.Tensor,
        num_samples: torch.Tensor,
    ) -> list[Hypothesis]:
        decode = self._decode_ctc if self._is_ctc else self._decode_transducer
        hotwords = [request.options.hotwords for request in requests]
        return [
            self._hypothesis(request, pieces)
            for request, pieces in zip(requests, decode(signal, num_samples, hotwords), strict=True)
        ]

    def _hypothesis(self, request: RecognitionRequest, pieces: list[TimedPiece]) -> Hypothesis:
        words = words_of(pieces, frame_s=self._frame_s, duration_s=request.chunk.duration_s)
        tokens = None
        if request.options.logprobs:
            tokens = tuple(
                Token(piece.piece, math.log(max(piece.probability, 1e-10))) for piece in pieces
            )
        language = request.options.language or self._only_language
        return Hypothesis(
            text=" ".join(word.text for word in words),
            words=words,
            tokens=tokens,
            language=language,
            spoken_language=language,
        )

    def _decode_transducer(
        self,
        signal: torch.Tensor,
        num_samples: torch.Tensor,
        hotwords: Sequence[tuple[str, ...]],
    ) -> Iterator[list[TimedPiece]]:
        encoded, num_frames = self._model(input_signal=signal, input_signal_length=num_samples)
        if any(hotwords):
            self._biased = self._biased or BiasedTransducer(self._model, self._strength)
            found = self._biased.decode(encoded, num_frames, hotwords)
        else:
            found = self._model.decoding.rnnt_decoder_predictions_tensor(
                encoder_output=encoded, encoded_lengths=num_frames, return_hypotheses=True
            )
        for row in found:
            yield list(pieces_of(row, self._vocabulary))

    def _decode_ctc(
        self,
        signal: torch.Tensor,
        num_samples: torch.Tensor,
        hotwords: Sequence[tuple[str, ...]],
    ) -> Iterator[list[TimedPiece]]:
        log_probs, num_frames, _ = self._model(input_signal=signal, input_signal_length=num_samples)
        log_probs = log_probs.float()
        ids = self._best_path(log_probs, hotwords)
        best = log_probs.gather(-1, ids[..., None])[..., 0].exp()
        for row_ids, row_best, length in zip(
            ids.tolist(), best.tolist(), num_frames.tolist(), strict=True
        ):
            pieces: list[TimedPiece] = []
            extend_by_best_path(
                pieces,
                row_ids[:length],
                row_best[:length],
                self._vocabulary,
                before=len(self._vocabulary),
            )
            yield pieces

    def _best_path(
        self, log_probs: torch.Tensor, hotwords: Sequence[tuple[str, ...]]
    ) -> torch.Tensor:
        ids = log_probs.argmax(dim=-1)
        leaning = [index for index, phrases in enumerate(hotwords) if phrases]
        if leaning:
            self._biased_path = self._biased_path or BiasedBestPath(
                self._model.tokenizer, len(self._vocabulary), self._device, self._strength
            )
            ids[leaning] = self._biased_path.decode(
                log_probs[leaning], [hotwords[index] for index in leaning]
            )
        return ids
