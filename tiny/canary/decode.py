"""Waveforms and one request per row -> texts, languages and word times.

This is how a server asks a Canary: no `transcribe()`, one prompt per row in a mixed batch.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from nemo.collections.asr.models import EncDecMultiTaskModel
from nemo.collections.asr.parts.utils.rnnt_utils import Hypothesis
from nemo.collections.asr.parts.utils.timestamp_utils import (
    get_forced_aligned_timestamps_with_external_model,
)
from numpy.typing import NDArray
from torch import Tensor

from tiny.canary.model import encode_identifying_prompt, encode_prompt
from tiny.canary.speech.phrases import LANGUAGES
from tiny.speech import augment
from tiny.speech.voices import Word


@dataclass(frozen=True, slots=True)
class Request:
    """What to write down of one recording."""

    source: str
    target: str
    pnc: bool


@dataclass(frozen=True, slots=True)
class Heard:
    """A batch as the encoder leaves it: states (rows, frames, width) and their mask."""

    states: Tensor
    mask: Tensor


@torch.inference_mode()
def hear(canary: EncDecMultiTaskModel, waveforms: Sequence[NDArray[np.float32]]) -> Heard:
    longest = max(map(len, waveforms))
    _, _, states, mask = canary.forward(
        input_signal=torch.from_numpy(
            np.stack([augment.fit_length(waveform, longest) for waveform in waveforms])
        ),
        input_signal_length=torch.tensor([len(waveform) for waveform in waveforms]),
    )
    return Heard(states, mask)


@torch.inference_mode()
def write_down(
    canary: EncDecMultiTaskModel, heard: Heard, requests: Sequence[Request]
) -> list[str]:
    """Return the text that each row's request asks for."""
    prompts = [encode_prompt(canary, r.source, r.target, pnc=r.pnc) for r in requests]
    hypotheses = canary.decoding.decode_predictions_tensor(
        encoder_hidden_states=heard.states,
        encoder_input_mask=heard.mask,
        decoder_input_ids=torch.tensor(prompts),
    )
    canary.eval()  # NeMo leaves the decoder in training mode, with dropout
    return [hypothesis.text.strip() for hypothesis in hypotheses]


@torch.inference_mode()
def identify(canary: EncDecMultiTaskModel, heard: Heard) -> list[str]:
    """Return the likeliest language of each row."""
    prompt = torch.tensor(encode_identifying_prompt(canary)).expand(len(heard.states), -1)
    scores = canary.log_softmax(
        hidden_states=canary.transf_decoder(
            input_ids=prompt,
            decoder_mask=torch.ones_like(prompt),
            encoder_embeddings=heard.states,
            encoder_mask=heard.mask,
        )
    )
    tokens = [canary.tokenizer.special_tokens[f"<|{language}|>"] for language in LANGUAGES]
    return [LANGUAGES[best] for best in scores[:, -1, tokens].argmax(-1).tolist()]


def align(
    canary: EncDecMultiTaskModel,
    waveforms: Sequence[NDArray[np.float32]],
    texts: Sequence[str],
) -> list[list[Word]]:
    """Return when each word of a transcript is said, by the aligner inside the model.

    NeMo's alignment fails on a word that begins with a mark its tokenizer drops ("¿Qué").
    """
    aligned = get_forced_aligned_timestamps_with_external_model(
        audio=[torch.from_numpy(waveform) for waveform in waveforms],
        external_ctc_model=canary.timestamps_asr_model.eval(),
        main_model_predictions=[
            Hypothesis(score=0.0, y_sequence=torch.tensor([]), text=re.sub("[¿¡]", "", text))
            for text in texts
        ],
        batch_size=16,
        timestamp_type=["word"],
        verbose=False,
    )
    return [
        [
            Word(word, found["start"], found["end"])
            for word, found in zip(text.split(), hypothesis.timestamp["word"], strict=True)
        ]
        for text, hypothesis in zip(texts, aligned, strict=True)
    ]
