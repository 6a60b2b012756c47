"""An attention decoder that goes on from any prefixes: tokens in, each row's next token out."""

from collections.abc import Sequence
from typing import Any

import torch

from serve_app.models.offline.words import WORD_START

_SINK_FRAMES = 2
"""The first frames draw attention that means nothing; they are not looked at.

Source: `AEDStreamingDecodingConfig.exclude_sink_frames`.
"""
_FEW_LAYERS = 3


class PrefixDecoder:
    """Keeps nothing between two calls: rows may come, go and differ in length as they like."""

    def __init__(self, model: Any) -> None:
        self._tokenizer = model.tokenizer
        self._embedding = model.transf_decoder.embedding
        self._layers = model.transf_decoder.decoder
        self._head = model.log_softmax
        # NeMo takes the last but one (`AEDStreamingDecodingConfig.xatt_scores_layer`). Of two that
        # is the first, which looks about: with it canary-tiny had twice the errors.
        self._layer = -1 if len(self._layers.layers) <= _FEW_LAYERS else -2
        self.end = int(model.tokenizer.eos_id)

    def next(
        self, prefixes: Sequence[Sequence[int]], states: torch.Tensor, mask: torch.Tensor
    ) -> tuple[list[int], list[int]]:
        """The likeliest token behind each prefix, and the encoder frame that it looks at most.

        `states` are `(num_rows, longest, width)`, `mask` says which of them are to be seen.
        """
        device = states.device
        lengths = torch.tensor([len(prefix) for prefix in prefixes], device=device)
        ids = torch.full((len(prefixes), int(lengths.max())), self._tokenizer.pad_id)
        for row, prefix in zip(ids, prefixes, strict=True):
            row[: len(prefix)] = torch.tensor(prefix)
        is_there = torch.arange(ids.shape[1], device=device) < lengths[:, None]
        hidden, attention = self._layers(
            self._embedding(ids.to(device)), is_there.to(states.dtype), states, mask
        )
        rows, last = torch.arange(len(prefixes), device=device), lengths - 1
        tokens = self._head(hidden_states=hidden[rows, last][:, None])[:, 0].argmax(dim=-1)
        looks = attention[self._layer].mean(dim=1)[rows, last]
        num_sinks = min(_SINK_FRAMES, looks.shape[-1] // 2)
        places = looks[:, num_sinks:].argmax(dim=-1) + num_sinks
        return tokens.tolist(), places.tolist()

    def words(self, tokens: Sequence[int]) -> list[str]:
        return str(self._tokenizer.ids_to_text(list(tokens))).split()

    def begins_word(self, token: int) -> bool:
        return str(self._tokenizer.ids_to_tokens([token])[0]).startswith(WORD_START)
