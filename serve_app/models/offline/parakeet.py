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
from omegaconf import open_dict

from serve_app.config import ModelConfig
from serve_app.errors import ConfigError
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
            _keep_times_and_confidences(
                model, cuda_graphs=config.cuda_graphs and self._device.type == "cuda"
            )
        elif not self._is_ctc:
            raise ConfigError(
                f"models.{config.name}.kind",
                f"{config.checkpoint} holds a {type(model).__name__}, which is neither a "
                "transducer nor a CTC model",
            )
        tokenizer = model.tokenizer
        self._pieces = [str(tokenizer.ids_to_tokens([i])[0]) for i in range(tokenizer.vocab_size)]
        self._only_language = config.languages[0] if len(config.languages) == 1 else None

    def _hypotheses(
        self,
        requests: Sequence[RecognitionRequest],
        signal: torch.Tensor,
        num_samples: torch.Tensor,
    ) -> list[Hypothesis]:
        decode = self._decode_ctc if self._is_ctc else self._decode_transducer
        return [
            self._hypothesis(request, pieces)
            for request, pieces in zip(requests, decode(signal, num_samples), strict=True)
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
        self, signal: torch.Tensor, num_samples: torch.Tensor
    ) -> Iterator[list[TimedPiece]]:
        encoded, num_frames = self._model(input_signal=signal, input_signal_length=num_samples)
        found = self._model.decoding.rnnt_decoder_predictions_tensor(
            encoder_output=encoded, encoded_lengths=num_frames, return_hypotheses=True
        )
        for row in found:
            ids = [int(index) for index in row.y_sequence]
            starts = [int(frame) for frame in row.timestamp]
            spans = [int(span) for span in row.token_duration] or [1] * len(ids)
            confidences = row.non_blank_step_confidence_precomputed
            yield [
                TimedPiece(
                    self._pieces[index], start, start + max(span, 1), self._probability(confidence)
                )
                for index, start, span, confidence in zip(
                    ids, starts, spans, confidences, strict=True
                )
            ]

    def _decode_ctc(
        self, signal: torch.Tensor, num_samples: torch.Tensor
    ) -> Iterator[list[TimedPiece]]:
        """The best path: the likeliest piece of each frame, repeats joined, blanks left out."""
        log_probs, num_frames, _ = self._model(input_signal=signal, input_signal_length=num_samples)
        best, ids = log_probs.float().max(dim=-1)
        blank = len(self._pieces)
        for row_ids, row_best, length in zip(
            ids.tolist(), best.exp().tolist(), num_frames.tolist(), strict=True
        ):
            pieces: list[TimedPiece] = []
            before = blank
            for frame, (index, probability) in enumerate(
                zip(row_ids[:length], row_best[:length], strict=True)
            ):
                if index != blank and index == before:
                    last = pieces[-1]
                    likeliest = max(last.probability, probability)
                    pieces[-1] = TimedPiece(last.piece, last.start_frame, frame + 1, likeliest)
                elif index != blank:
                    pieces.append(TimedPiece(self._pieces[index], frame, frame + 1, probability))
                before = index
            yield pieces

    def _probability(self, confidence: float) -> float:
        """Undo NeMo's scaling of `max_prob` confidences (chance is 0 there), back to softmax.

        Source: `asr_confidence_utils.get_confidence_measure_bank`, `(p·V − 1) / (V − 1)`.
        """
        num_classes = len(self._pieces) + 1
        return (float(confidence) * (num_classes - 1) + 1) / num_classes


def _keep_times_and_confidences(model: Any, *, cuda_graphs: bool) -> None:
    """Decode the batch at once and greedily, and keep frames, spans and probabilities.

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
