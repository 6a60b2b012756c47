"""A corpus on disk -> canary-tiny, trained with its aligner on one encoder.

Each recording is encoded once and decoded two or three times: as recognition, and as
translation into other languages, with punctuation or without.
"""

from __future__ import annotations

import itertools
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from nemo.collections.asr.models import EncDecMultiTaskModel
from nemo.collections.asr.models.aed_multitask_models import lens_to_mask
from torch import Tensor, nn
from tqdm import tqdm

from tiny.canary.model import Models, encode_prompt, save
from tiny.canary.speech.corpus import Batch, Corpus
from tiny.canary.speech.phrases import LANGUAGES, PIVOT, plain
from tiny.canary.speech.rows import Row
from tiny.release import TrainingOptions, TrainingReport
from tiny.speech import augment
from tiny.speech.voices import SAMPLE_RATE_HZ, Utterance, Word
from tiny.targets import FRAME_S, targets, token_of_each_frame

_IGNORED = -100
"""The label of what no model could know: `cross_entropy` skips it."""

_PROMPT_TOKENS = 9
_SOURCE_SLOT = 3
_CHOSEN_SLOTS = (4, 5)
"""Where the prompt says target language and punctuation, which no recording tells."""

_ALIGNER_ALONE = 0.08
"""The share of the training before the decoder joins: until words are heard apart, it would
learn no more than which words are frequent."""

_LONGEST_STEP_S = 10.0

_NO_LIMIT = 10_000
"""Frames of a word: unlike a transducer, the aligner may stay on a word as long as it lasts."""


OPTIONS = TrainingOptions(seed=1, epochs=6, minutes=50.0, num_rows=36_000, batch_audio_s=60.0)


@dataclass(frozen=True, slots=True)
class Sentences:
    """What the decoder should say: token ids, padded, and which recording each hears."""

    ids: Tensor
    labels: Tensor
    num_ids: Tensor
    heard: Tensor


def train(
    options: TrainingOptions, models: Models, corpus: Corpus, scratch: Path, *, goes_on: bool
) -> TrainingReport:
    """Train the models; `scratch` gets them as they are after each epoch.

    Models that went through this before and go on learn everything from the start.
    """
    torch.set_num_threads(options.num_threads)
    trainer = Trainer(models, options, aligner_alone=0.0 if goes_on else _ALIGNER_ALONE)
    for epoch in range(options.epochs):
        # Short recordings teach faster: the first pass leaves out those that are joined.
        short_only = epoch == 0 and not goes_on
        trainer.run_epoch(epoch, corpus, short_only=short_only)
        save(models, scratch / "canary-tiny.nemo")
        if trainer.progress >= 1:
            break
    return trainer.report()


class Trainer:
    """Models, optimiser and clock, from the first step to the last."""

    def __init__(
        self, models: Models, options: TrainingOptions, *, aligner_alone: float = _ALIGNER_ALONE
    ) -> None:
        self.models, self.options, self.aligner_alone = models, options, aligner_alone
        models.canary.encoder.pre_encode.to(memory_format=torch.channels_last)
        # The aligner's encoder is the canary's: what both hold counts once.
        every = itertools.chain(models.canary.parameters(), models.aligner.decoder.parameters())
        self.parameters = [p for p in {id(p): p for p in every}.values() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=options.peak_learning_rate, betas=(0.9, 0.98), weight_decay=1e-3
        )
        mel_filters = models.canary.preprocessor.featurizer.fb[0].numpy()
        warps = [0.86 + 0.02 * step for step in range(15)]
        self.mel_filters = torch.from_numpy(
            np.stack([augment.warp_filters(mel_filters, warp) for warp in warps])
        )
        self.rng = random.Random(f"canary training {options.seed}")
        self.steps, self.rows_seen, self.audio_s, self.worked_s = 0, 0, 0.0, 0.0

    @property
    def minutes(self) -> float:
        return self.worked_s / 60

    @property
    def progress(self) -> float:
        """How much is done, by rows or by the clock, whichever is further."""
        rows = self.rows_seen / (self.options.num_rows * self.options.epochs)
        return min(1.0, max(rows, self.minutes / self.options.minutes))

    def report(self) -> TrainingReport:
        epochs = self.rows_seen / self.options.num_rows
        return TrainingReport(epochs, self.steps, self.minutes, self.audio_s / 3600)

    def run_epoch(self, epoch: int, corpus: Corpus, *, short_only: bool) -> None:
        self.models.canary.train()
        self.models.aligner.train()
        chosen = [i for i, row in enumerate(corpus.rows) if not short_only or len(row.parts) == 1]
        batches = corpus.batches(chosen, self.rng, batch_audio_s=self.options.batch_audio_s)
        with tqdm(total=len(chosen), mininterval=5.0, desc=f"epoch {epoch}") as bar:
            for batch in batches:
                losses = self.step(batch)
                bar.update(len(batch.rows))
                bar.set_postfix({name: f"{value:.3f}" for name, value in losses.items()})
                if self.progress >= 1:
                    break

    def step(self, batch: Batch) -> dict[str, float]:
        """Take one step; return each part of the loss, per token or per frame."""
        started = time.monotonic()
        rate = self.options.peak_learning_rate * min(1.0, (self.steps + 1) / 200)
        cosine = 0.5 * (1 + math.cos(math.pi * self.progress))
        for group in self.optimizer.param_groups:
            group["lr"] = rate * max(0.005, cosine)
        losses = self._losses(batch)
        # A word's frames teach its sound; a strong CTC loss would first teach blanks only.
        total = losses["frame"] + 0.03 * losses["ctc"] + losses.get("text", 0.0)
        self.optimizer.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.steps += 1
        self.rows_seen += len(batch.rows)
        self.audio_s += float(batch.num_samples.sum()) / SAMPLE_RATE_HZ
        # A process that was stopped for a while has not trained in that time.
        self.worked_s += min(_LONGEST_STEP_S, time.monotonic() - started)
        return {name: float(loss) for name, loss in losses.items()}

    def _losses(self, batch: Batch) -> dict[str, Tensor]:
        features, num_features = self._features(batch)
        encoded, num_frames = self.models.canary.encoder(audio_signal=features, length=num_features)
        losses = self._aligner_losses(batch.utterances, encoded, num_frames)
        if self.progress >= self.aligner_alone:
            losses |= self._decoder_losses(batch.rows, encoded, num_frames)
        return losses

    def _decoder_losses(
        self, rows: Sequence[Row], encoded: Tensor, num_frames: Tensor
    ) -> dict[str, Tensor]:
        canary = self.models.canary
        sentences = draw_sentences(canary, rows, self.rng)
        states = encoded.transpose(1, 2)
        mask = lens_to_mask(num_frames, states.shape[1]).to(states.dtype)
        inputs = sentences.ids[:, :-1]
        scores = canary.log_softmax(
            hidden_states=canary.transf_decoder(
                input_ids=inputs,
                decoder_mask=lens_to_mask(sentences.num_ids - 1, inputs.shape[1]).long(),
                encoder_embeddings=states[sentences.heard],
                encoder_mask=mask[sentences.heard],
            )
        )
        loss = nn.functional.nll_loss(
            scores.transpose(1, 2), sentences.labels[:, 1:], ignore_index=_IGNORED, reduction="sum"
        )
        return {"text": loss / (sentences.num_ids - _PROMPT_TOKENS).sum()}

    def _aligner_losses(
        self, utterances: Sequence[Utterance], encoded: Tensor, num_frames: Tensor
    ) -> dict[str, Tensor]:
        """Teach the CTC head where each word is, and that blanks lie only between words."""
        aligner = self.models.aligner
        heard = [place for place, utterance in enumerate(utterances) if utterance.words]
        num_frames = num_frames[heard]
        log_probs = aligner.decoder(encoder_output=encoded[heard])
        labels, num_labels, spans = targets(
            [keep_twins_apart(utterances[place]) for place in heard],
            aligner.tokenizer.text_to_ids,
            num_frames,
            max_duration=_NO_LIMIT,
        )
        blank = log_probs.shape[-1] - 1
        ctc = nn.functional.ctc_loss(
            log_probs.transpose(0, 1),
            labels,
            num_frames,
            num_labels,
            blank=blank,
            reduction="sum",
            zero_infinity=True,
        )
        wanted = token_of_each_frame(labels, spans, num_frames, blank, log_probs.shape[1])
        frame = nn.functional.nll_loss(log_probs.transpose(1, 2), wanted, ignore_index=-1)
        return {"ctc": ctc / num_labels.sum(), "frame": frame}

    def _features(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Compute the model's own features, but with mel filters of another vocal tract."""
        canary = self.models.canary
        featurizer = canary.preprocessor.featurizer
        plain_filters = featurizer.fb
        choice = [self.rng.randrange(len(self.mel_filters)) for _ in batch.rows]
        featurizer.fb = self.mel_filters[choice]
        try:
            with torch.no_grad():
                features, num_features = canary.preprocessor(
                    input_signal=torch.from_numpy(batch.waveforms),
                    length=torch.from_numpy(batch.num_samples),
                )
        finally:
            featurizer.fb = plain_filters
        masked = canary.spec_augmentation(input_spec=features, length=num_features)
        return masked, num_features


def draw_sentences(
    canary: EncDecMultiTaskModel, rows: Sequence[Row], rng: random.Random
) -> Sentences:
    """Ask for each recording as recognition and, if it can be translated, as translation."""
    ids, labels, heard = [], [], []
    for place, row in enumerate(rows):
        for target in _targets_of(row, rng):
            # Words in random order are no sentences.
            pnc = rng.random() < 0.5 and (row.translatable or not row.parts)
            prompt = encode_prompt(canary, row.language, target, pnc=pnc)
            text = row.text(target) if pnc else plain(row.text(target))
            said = canary.tokenizer.text_to_ids(text, target) if text else []
            ids.append([*prompt, *said, canary.tokenizer.eos_id])
            wanted = ids[-1].copy()
            for slot in _CHOSEN_SLOTS if row.parts else (_SOURCE_SLOT, *_CHOSEN_SLOTS):
                wanted[slot] = _IGNORED
            labels.append(wanted)
            heard.append(place)
    return Sentences(
        _pad(ids, canary.tokenizer.pad_id),
        _pad(labels, _IGNORED),
        torch.tensor(list(map(len, ids))),
        torch.tensor(heard),
    )


def keep_twins_apart(utterance: Utterance) -> Utterance:
    """Leave a frame between two equal words: CTC needs a blank there."""
    words = list(utterance.words)
    for place, (word, following) in enumerate(itertools.pairwise(words)):
        latest = math.floor(following.start_s / FRAME_S + 0.5) - 1.5
        if word.text == following.text and word.end_s / FRAME_S > latest:
            end_s = max(word.start_s, latest * FRAME_S)
            words[place] = Word(word.text, word.start_s, end_s)
    return Utterance(utterance.waveform, tuple(words), utterance.speaker)


def _targets_of(row: Row, rng: random.Random) -> list[str]:
    if row.parts and not row.translatable:
        return [row.language]
    if row.language == PIVOT:
        return [PIVOT, *rng.sample(LANGUAGES[1:], 2)]
    return [row.language, PIVOT]


def _pad(rows: Sequence[Sequence[int]], value: int) -> Tensor:
    return nn.utils.rnn.pad_sequence(
        list(map(torch.tensor, rows)), batch_first=True, padding_value=value
    )
