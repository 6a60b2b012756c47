"""NeMo's multitask models (the Canary family): recognition and translation, a prompt per row.

A batch goes through the encoder once. Rows without a language are identified from it, every row
gets the prompt of its own language, task and punctuation, and one decoder call answers all.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from nemo.collections.asr.models import EncDecMultiTaskModel
from nemo.collections.asr.parts.utils.rnnt_utils import Hypothesis as NemoHypothesis
from nemo.collections.asr.parts.utils.timestamp_utils import (
    get_forced_aligned_timestamps_with_external_model,
)
from omegaconf import open_dict

from serve_app.config import ModelConfig
from serve_app.errors import ConfigError
from serve_app.models.offline.certainty import spell, tokens_of, with_confidences
from serve_app.models.offline.recognizer import NemoRecognizer
from serve_app.models.offline.repetition import without_loops
from serve_app.models.prompts import Prompts
from serve_app.models.protocols import RecognitionRequest
from serve_app.transcript.types import Hypothesis, Token, Word

logger = logging.getLogger(__name__)

_OPENING_MARKS = str.maketrans("", "", "¿¡")


class CanaryRecognizer(NemoRecognizer):
    """An attention encoder-decoder, with its CTC aligner where the checkpoint brings one."""

    def __init__(self, model: Any, config: ModelConfig) -> None:
        """
        Raises:
            ConfigError: the checkpoint is of another family, or lacks a configured language.
        """
        if not isinstance(model, EncDecMultiTaskModel):
            raise ConfigError(
                f"models.{config.name}.kind",
                f"{config.checkpoint} holds a {type(model).__name__}, which is no multitask model",
            )
        super().__init__(model, config)
        self._config = config
        self._aligner = model.timestamps_asr_model
        if self._aligner is not None:
            self._aligner.to(self._device).eval()
            self._aligner.preprocessor.featurizer.dither = 0.0
        with open_dict(model.cfg.decoding):
            model.cfg.decoding.strategy = "beam"
            model.cfg.decoding.beam.beam_size = config.beam_size
        model.change_decoding_strategy(model.cfg.decoding)
        model.eval()
        self.info = replace(self.info, word_times=self._aligner is not None)
        self._languages = config.languages
        self._prompts = Prompts(model, config)

    def _hypotheses(
        self,
        requests: Sequence[RecognitionRequest],
        signal: torch.Tensor,
        num_samples: torch.Tensor,
    ) -> list[Hypothesis]:
        _, _, states, mask = self._model.forward(
            input_signal=signal, input_signal_length=num_samples
        )
        languages = self._languages_of(requests, states, mask)
        targets = [
            self._prompts.target_of(language, request.options.target_for(language))
            for request, language in zip(requests, languages, strict=True)
        ]
        texts, tokens = self._decode(requests, languages, targets, states, mask)
        words = self._words(requests, texts, languages, targets, signal, num_samples)
        return [
            Hypothesis(
                text,
                words=with_confidences(row_words, pieces) if row_words and pieces else row_words,
                tokens=pieces if request.options.logprobs else None,
                language=target,
                spoken_language=language,
            )
            for request, text, row_words, pieces, target, language in zip(
                requests, texts, words, tokens, targets, languages, strict=True
            )
        ]

    def _decode(
        self,
        requests: Sequence[RecognitionRequest],
        languages: Sequence[str],
        targets: Sequence[str],
        states: torch.Tensor,
        mask: torch.Tensor,
    ) -> tuple[list[str], Sequence[tuple[Token, ...] | None]]:
        """The texts, and their tokens where somebody wants them and they spell the text."""
        prompts = [
            self._prompts.ids(language, target, pnc=request.options.pnc)
            for request, language, target in zip(requests, languages, targets, strict=True)
        ]
        prompt_ids = torch.tensor(prompts, device=self._device)
        num_frames = mask.sum(dim=1).int().tolist()
        if self._config.beam_size == 1:
            found = self._search(states, mask, prompt_ids)
        else:
            # NeMo 3.0's beam search gives the rows of a batch each other's states: it repeats the
            # decoder's cache in another order than the prefixes. Alone, a row has only its own.
            found = [
                self._search(states[[i], :n], mask[[i], :n], prompt_ids[[i]])[0]
                for i, n in enumerate(num_frames)
            ]
        self._model.eval()  # NeMo 3.0 leaves the decoder in training mode, with dropout on
        said = [
            self._own(row.y_sequence.tolist(), length, len(prompts[0]))
            for row, length in zip(found, num_frames, strict=True)
        ]
        texts = [
            without_loops(str(self._model.decoding.decode_ids_to_str(ids)).strip()) for ids in said
        ]
        if not any(row.options.word_times or row.options.logprobs for row in requests):
            return texts, [None] * len(texts)
        tokens = tokens_of(self._model, states, mask, prompt_ids, said)
        return texts, [
            row if spell(row, text) else None for row, text in zip(tokens, texts, strict=True)
        ]

    def _search(
        self, states: torch.Tensor, mask: torch.Tensor, prompt_ids: torch.Tensor
    ) -> list[NemoHypothesis]:
        found: list[NemoHypothesis] = self._model.decoding.decode_predictions_tensor(
            encoder_hidden_states=states, encoder_input_mask=mask, decoder_input_ids=prompt_ids
        )
        return found

    def _own(self, ids: list[int], num_frames: int, prompt_length: int) -> list[int]:
        """A row that runs away is stopped by the length of its batch; here it is by its own.

        Source: `SequenceGenerator._prepare_for_search` in `transformer_generators.py`.
        """
        search = self._model.decoding.decoding.beam_search
        longest = int(search.max_seq_length)
        if search.max_delta_len >= 0:
            longest = min(longest, num_frames + search.max_delta_len)
        return ids[: max(0, longest - prompt_length)]

    def _languages_of(
        self, requests: Sequence[RecognitionRequest], states: torch.Tensor, mask: torch.Tensor
    ) -> list[str]:
        """What each row names, or the model hears; the fall-back where it is not sure."""
        named = [request.options.language for request in requests]
        if all(named) or len(self._languages) == 1:
            return [language or self._languages[0] for language in named]
        heard = self._prompts.language_probabilities(states, mask)
        return [
            language
            or self._prompts.language_of(
                row, request.options.target_language, request.options.among
            )
            for language, row, request in zip(named, heard, requests, strict=True)
        ]

    def _words(
        self,
        requests: Sequence[RecognitionRequest],
        texts: Sequence[str],
        languages: Sequence[str],
        targets: Sequence[str],
        signal: torch.Tensor,
        num_samples: torch.Tensor,
    ) -> list[tuple[Word, ...] | None]:
        """Word times from the aligner, for transcripts that want them; a translation has none."""
        words: list[tuple[Word, ...] | None] = [None if text else () for text in texts]
        rows = [
            index
            for index, request in enumerate(requests)
            if request.options.word_times and texts[index] and languages[index] == targets[index]
        ]
        if self._aligner is None or not rows:
            return words
        said = [texts[index] for index in rows]
        log_probs, num_frames, _ = self._aligner(
            input_signal=signal[rows], input_signal_length=num_samples[rows]
        )
        heard = [row[:length] for row, length in zip(log_probs, num_frames.tolist(), strict=True)]
        for index, row in zip(rows, self._aligned(said, heard), strict=True):
            words[index] = row
        return words

    def _aligned(
        self, texts: Sequence[str], heard: Sequence[torch.Tensor]
    ) -> list[tuple[Word, ...] | None]:
        """The words of each text where they are in its row; None where it does not fit in there.

        A text that the aligner stumbles over costs itself its times, and nobody anything else.
        """
        try:
            return self._align(texts, heard)
        except Exception:  # NeMo's aligner raises what it meets; the texts are right all the same
            logger.exception("%d texts could not be aligned together", len(texts))
        if len(texts) == 1:
            return [None]
        alone = zip(texts, heard, strict=True)
        return [self._aligned([text], [row])[0] for text, row in alone]

    def _align(
        self, texts: Sequence[str], heard: Sequence[torch.Tensor]
    ) -> list[tuple[Word, ...] | None]:
        aligned = get_forced_aligned_timestamps_with_external_model(
            audio=[NemoHypothesis(score=0.0, y_sequence=row, text="") for row in heard],
            external_ctc_model=self._aligner,
            main_model_predictions=[
                NemoHypothesis(score=0.0, y_sequence=torch.tensor([]), text=_alignable(text))
                for text in texts
            ],
            batch_size=len(texts),
            timestamp_type=["word"],
            has_hypotheses=True,
            verbose=False,
        )
        return [
            _timed(text, row.timestamp["word"]) for text, row in zip(texts, aligned, strict=True)
        ]


def _alignable(text: str) -> str:
    """NeMo 3.0's aligner raises on words that open with a mark, such as `¿Qué`."""
    return text.translate(_OPENING_MARKS)


def _timed(text: str, found: Sequence[Mapping[str, Any]]) -> tuple[Word, ...] | None:
    """Where a text is too long for its audio, NeMo gives nothing, or times of -1."""
    spelt = text.split()
    if len(spelt) != len(found) or not all(w["end"] >= w["start"] >= 0 for w in found):
        return None
    return tuple(Word(word, w["start"], w["end"]) for word, w in zip(spelt, found, strict=True))
