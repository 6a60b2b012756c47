"""The phrases that rows ask for, in; how a decoder leans towards them, row by row, out.

Source: phrase boosting (GPU-PB, https://arxiv.org/abs/2508.07014) as NeMo 3.0 has it. A tree of the
phrases' tokens adds to the scores of those that continue a phrase, and takes back what a phrase
that was not finished has got. Where a decoder hears blank it stays blank: nothing is made up.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from nemo.collections.asr.parts.context_biasing.biasing_multi_model import (
    BiasingRequestItemConfig,
    GPUBiasingMultiModel,
)
from nemo.collections.asr.parts.context_biasing.boosting_graph_batched import (
    BoostingTreeModelConfig,
    GPUBoostingTreeModel,
)
from nemo.collections.asr.parts.submodules.rnnt_decoding import RNNTBPEDecoding
from nemo.collections.asr.parts.utils.rnnt_utils import Hypothesis as NemoHypothesis
from omegaconf import open_dict

_MAX_TREES = 64
"""Kept for the next request with the same phrases; each weighs a vocabulary and its phrases."""

_NO_TREE = -1
"""NeMo's mark of a row that leans nowhere."""


class PhraseTrees:
    """One tree for each set of phrases, the last used ones, in a decoder's own multi-model."""

    def __init__(self, multi_model: Any, tokenizer: Any, strength: float) -> None:
        self._multi_model = multi_model
        self._tokenizer = tokenizer
        self._strength = strength
        self._ids: OrderedDict[tuple[str, ...], int] = OrderedDict()

    def ids(self, rows: Sequence[tuple[str, ...]]) -> list[int]:
        """The tree of each row, by its number in the multi-model."""
        # NeMo changes its tensors in place, and those made in inference mode do not stand it
        with torch.inference_mode(mode=False), torch.no_grad():
            self._make_room(set(rows))
            for phrases in rows:
                if phrases not in self._ids:
                    self._ids[phrases] = self._grow(phrases)
                self._ids.move_to_end(phrases)
        return [self._ids[phrases] for phrases in rows]

    def _make_room(self, wanted: set[tuple[str, ...]]) -> None:
        num_new = len(wanted - self._ids.keys())
        for phrases in [phrases for phrases in self._ids if phrases not in wanted]:
            if len(self._ids) + num_new <= _MAX_TREES:
                return
            if (number := self._ids.pop(phrases)) != _NO_TREE:
                self._multi_model.remove_model(number)

    def _grow(self, phrases: tuple[str, ...]) -> int:
        spelt = [*dict.fromkeys(form for phrase in phrases for form in self._forms(phrase))]
        if not spelt:
            return _NO_TREE
        config = BoostingTreeModelConfig(key_phrases_list=spelt, use_triton=False)
        tree = GPUBoostingTreeModel.from_config(config, tokenizer=self._tokenizer)
        return int(self._multi_model.add_model(tree, alpha=self._strength))

    def _forms(self, phrase: str) -> Iterable[str]:
        """As it is given, and as it begins a sentence; in lower case where the vocabulary has no
        other; nothing where it cannot spell it at all."""
        phrase = " ".join(phrase.split())
        forms = [form for form in (phrase, phrase[:1].upper() + phrase[1:]) if self._spells(form)]
        return forms or filter(self._spells, [phrase.lower()])

    def _spells(self, phrase: str) -> bool:
        ids = self._tokenizer.text_to_ids(phrase)
        return bool(ids) and self._tokenizer.tokenizer.unk_id() not in ids


class _Row(NemoHypothesis):  # type: ignore[misc]  # NeMo ships no types
    """Takes a row's tree into the decoder and becomes what was found there."""

    def merge_(self, other: NemoHypothesis) -> NemoHypothesis:
        """All of `other`; NeMo 3.0's own leaves out the durations of the tokens."""
        self.__dict__.update(other.__dict__)
        return self


class BiasedTransducer:
    """A transducer's second decoder, for batches in which some rows have phrases. It shares the
    weights of the model's own, which stays as fast as it is."""

    def __init__(self, model: Any, strength: float) -> None:
        decoding = model.cfg.decoding.copy()
        with open_dict(decoding):
            decoding.greedy.enable_per_stream_biasing = True
        with torch.inference_mode(mode=False):
            self._decoding = RNNTBPEDecoding(
                decoding_cfg=decoding,
                decoder=model.decoder,
                joint=model.joint,
                tokenizer=model.tokenizer,
            )
            multi_model = self._decoding.decoding.decoding_computer.biasing_multi_model
            multi_model.to(next(model.parameters()).device)
        self._trees = PhraseTrees(multi_model, model.tokenizer, strength)

    def decode(
        self, encoded: torch.Tensor, num_frames: torch.Tensor, rows: Sequence[tuple[str, ...]]
    ) -> list[NemoHypothesis]:
        """As `rnnt_decoder_predictions_tensor`, with the phrases of each row."""
        found: list[NemoHypothesis] = self._decoding.rnnt_decoder_predictions_tensor(
            encoder_output=encoded,
            encoded_lengths=num_frames,
            return_hypotheses=True,
            partial_hypotheses=[
                None if number == _NO_TREE else _row(number) for number in self._trees.ids(rows)
            ],
        )
        return found


def _row(number: int) -> _Row:
    config = BiasingRequestItemConfig(multi_model_id=number, auto_manage_multi_model=False)
    return _Row(score=0.0, y_sequence=[], biasing_cfg=config)


class BiasedBestPath:
    """CTC's best path, leaning towards the phrases of each row."""

    def __init__(
        self, tokenizer: Any, num_pieces: int, device: torch.device, strength: float
    ) -> None:
        self._blank = num_pieces
        with torch.inference_mode(mode=False):
            self._multi_model = GPUBiasingMultiModel(vocab_size=num_pieces).to(device)
        self._trees = PhraseTrees(self._multi_model, tokenizer, strength)

    def decode(self, log_probs: torch.Tensor, rows: Sequence[tuple[str, ...]]) -> torch.Tensor:
        """The piece of each frame, `(num_rows, num_frames)`, of `log_probs` with its vocabulary.

        Source: `_greedy_decode_logprobs_batched_fusion_models_torch` in `ctc_greedy_decoding.py`,
        which has one tree for all rows.
        """
        numbers = torch.tensor(self._trees.ids(rows), device=log_probs.device)
        states = self._multi_model.get_init_states(batch_size=len(rows), bos=True)
        before = torch.full_like(numbers, self._blank)
        best = log_probs.argmax(dim=-1)
        for frame in range(best.shape[1]):
            likeliest = best[:, frame]
            keeps = (likeliest == self._blank) | (likeliest == before)
            scores, following = self._multi_model.advance(states=states, model_ids=numbers)
            leaning = log_probs[:, frame, :-1] + scores
            # a repeat would be heard as one piece
            leaning.scatter_(1, before.clamp(max=self._blank - 1)[:, None], -torch.inf)
            chosen = torch.where(keeps, likeliest, leaning.argmax(dim=-1))
            reached = following.gather(1, chosen.masked_fill(keeps, 0)[:, None])[:, 0]
            states = torch.where(keeps, states, reached)
            best[:, frame] = before = chosen
        return best
