"""What an attention decoder has said, in; how sure it was of each token and each word, out.

One pass of the decoder over the whole texts, as in training: causal attention gives each token the
probability that it had when it was chosen, whatever search has found it.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch

from serve_app.models.offline.words import WORD_START, is_spoken
from serve_app.transcript.joining.merge import share_out
from serve_app.transcript.types import Token, Word


def tokens_of(
    model: Any,
    states: torch.Tensor,
    mask: torch.Tensor,
    prompts: torch.Tensor,
    said: Sequence[Sequence[int]],
) -> list[tuple[Token, ...]]:
    """The tokens of each row with their log-probabilities.

    `states` and `mask` are the encoder's, `(num_rows, num_frames, …)`; `prompts` is
    `(num_rows, prompt_length)`; `said` has the ids that were found behind the prompts.
    """
    longest = max(map(len, said))
    if not longest:
        return [()] * len(said)
    padded = torch.zeros(len(said), longest, dtype=torch.long)
    is_said = torch.zeros(len(said), longest, dtype=torch.bool)
    for index, row in enumerate(said):
        padded[index, : len(row)] = torch.tensor(row, dtype=torch.long)
        is_said[index, : len(row)] = True
    padded, is_said = padded.to(states.device), is_said.to(states.device)
    log_probs = model.log_softmax(
        hidden_states=model.transf_decoder(
            input_ids=torch.cat([prompts, padded[:, :-1]], dim=1),
            decoder_mask=torch.cat([torch.ones_like(prompts), is_said[:, :-1].long()], dim=1),
            encoder_embeddings=states,
            encoder_mask=mask,
        )
    )[:, prompts.shape[1] - 1 :]
    # some checkpoints' heads give logits
    chosen = log_probs.float().log_softmax(dim=-1).gather(-1, padded[..., None])[..., 0].tolist()
    return [
        tuple(
            Token(str(piece), min(log_prob, 0.0))
            for piece, log_prob in zip(
                model.tokenizer.ids_to_tokens(list(ids)), row[: len(ids)], strict=True
            )
        )
        for ids, row in zip(said, chosen, strict=True)
    ]


def spell(tokens: Iterable[Token], text: str) -> bool:
    """Whether they are the text: not where it was cut, or has what is no piece of a word."""
    spelt = "".join(token.text for token in tokens)
    return spelt.replace(WORD_START, " ").split() == text.split()


def with_confidences(words: Sequence[Word], tokens: Sequence[Token]) -> tuple[Word, ...]:
    """Each word as sure as the least sure of its tokens, punctuation aside, of all words that the
    tokens spell."""
    shares = share_out(tokens, [word.text for word in words])
    return tuple(
        replace(word, confidence=_confidence(share))
        for word, share in zip(words, shares, strict=True)
    )


def _confidence(tokens: Sequence[Token] | None) -> float | None:
    spoken = [token for token in tokens or () if is_spoken(token.text)] or tokens
    return round(math.exp(min(token.logprob for token in spoken)), 4) if spoken else None
