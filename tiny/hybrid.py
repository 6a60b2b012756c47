"""Batches of speech -> a hybrid transducer-CTC FastConformer in NeMo's own format.

The models differ in what a `Recipe` names; tokenizer, clock, optimiser and files are the
same. What training adds (a loss that runs without CUDA, a head that names the token of each
frame, warped mel filters) stays here and is not in the file.
"""

from __future__ import annotations

import itertools
import math
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sentencepiece
import torch
from nemo.collections.asr.models import EncDecHybridRNNTCTCBPEModel
from nemo.utils import logging as nemo_logging
from omegaconf import OmegaConf
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset
from tqdm import tqdm

from tiny.release import TrainingOptions, TrainingReport
from tiny.speech import augment, corpus, grammar
from tiny.speech.voices import SAMPLE_RATE_HZ, Utterance
from tiny.targets import targets, token_of_each_frame


@dataclass(frozen=True, slots=True)
class Recipe:
    """What makes one hybrid model another than the next."""

    name: str
    config: Path
    """NeMo's configuration, all but the tokenizer's folder."""
    render_row: Callable[[corpus.Row, random.Random], Utterance]
    """Makes a row's recording, each time another."""
    transducer_loss: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
    """The joint's scores, labels, their spans, numbers of frames and of labels -> (batch,)."""
    max_duration: int
    """Frames of the longest span; a longer word's is centred."""
    naming_delay: int = 0
    """Frames by which the frame head may lag behind what is spoken."""


def build_model(config: Path, tokenizer_folder: Path) -> EncDecHybridRNNTCTCBPEModel:
    """Build the model with random weights."""
    nemo_logging.setLevel(nemo_logging.ERROR)
    settings = OmegaConf.load(config)
    settings.tokenizer.dir = str(tokenizer_folder)
    return EncDecHybridRNNTCTCBPEModel(cfg=settings)


def build_tokenizer(folder: Path) -> None:
    """Write the tokenizer as NeMo reads it: each word is one token, letters are the rest.

    Whole words are learnt in far fewer steps than pieces, whose place within a word nobody
    knows. sentencepiece matches the longest symbol first, so that "one" is not "on".
    """
    folder.mkdir(parents=True, exist_ok=True)
    words = [f"▁{word}" for word in grammar.vocabulary()]
    letters = sorted({letter for word in grammar.vocabulary() for letter in word} | {"▁"})
    source = folder / "letters.txt"
    source.write_text("".join(reversed(letters[:-1])) + "\n")  # "▁a" is a word
    sentencepiece.SentencePieceTrainer.train(
        input=str(source),
        model_prefix=str(folder / "tokenizer"),
        model_type="char",
        vocab_size=1 + len(words) + len(letters),
        character_coverage=1.0,
        user_defined_symbols=words,
        bos_id=-1,
        eos_id=-1,
        pad_id=-1,
        unk_id=0,
        minloglevel=2,
    )
    source.unlink()
    pieces = sentencepiece.SentencePieceProcessor(str(folder / "tokenizer.model"))
    names = [pieces.id_to_piece(i) for i in range(1, pieces.vocab_size())]
    (folder / "vocab.txt").write_text("\n".join(names) + "\n")


def train(
    recipe: Recipe,
    options: TrainingOptions,
    rows: Sequence[corpus.Row],
    scratch: Path,
    start: Callable[[EncDecHybridRNNTCTCBPEModel], None] | None = None,
    *,
    first_epoch: int = 0,
) -> tuple[EncDecHybridRNNTCTCBPEModel, TrainingReport]:
    """Train from random weights, or from those that `start` puts into the model.

    `first_epoch` is how many its weights have had: what is drawn in them is not drawn again, and
    only the very first is an easier one. `scratch` gets the tokenizer and the model as it is
    after each epoch.
    """
    torch.manual_seed(options.seed)
    random.seed(options.seed)
    torch.set_num_threads(options.num_threads)
    build_tokenizer(scratch / "tokenizer")
    model = build_model(recipe.config, scratch / "tokenizer")
    if start is not None:
        start(model)
    # Short recordings teach faster: the first epoch leaves out those that are joined.
    short = rows if first_epoch else [row for row in rows if len(row.parts) <= 1]
    epochs = [short] + [rows] * (options.epochs - 1)
    trainer = Trainer(recipe, model, options, num_rows=sum(map(len, epochs)))
    for epoch, chosen in enumerate(epochs):
        speech = _Epoch(recipe, chosen, first_epoch + epoch, options)
        stream = DataLoader(speech, batch_size=None, num_workers=1, prefetch_factor=12)
        trainer.run_epoch(first_epoch + epoch, stream, len(chosen))
        save(model, scratch / f"{recipe.name}.nemo")
        if trainer.progress >= 1:
            break
    model.eval()
    return model, trainer.report()


def go_on_from(model: EncDecHybridRNNTCTCBPEModel, weights: Path) -> None:
    """Give the model the weights of a file of its own kind."""
    before = EncDecHybridRNNTCTCBPEModel.restore_from(str(weights), map_location="cpu")
    model.load_state_dict(before.state_dict())


def save(model: EncDecHybridRNNTCTCBPEModel, path: Path) -> None:
    """Write the `.nemo` file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        unfinished = Path(folder) / path.name
        model.save_to(str(unfinished))
        unfinished.replace(path)


class _Epoch(IterableDataset):
    """One epoch's batches, made in a process of their own while the model learns."""

    def __init__(
        self, recipe: Recipe, rows: Sequence[corpus.Row], epoch: int, options: TrainingOptions
    ) -> None:
        self.recipe, self.rows, self.epoch, self.options = recipe, rows, epoch, options

    def __iter__(self) -> Iterator[corpus.Batch]:
        return corpus.batches(
            self.rows,
            self.epoch,
            self.options.seed,
            batch_audio_s=self.options.batch_audio_s,
            render_row=self.recipe.render_row,
        )


class Trainer:
    """Model, optimiser and clock, from the first step to the last."""

    def __init__(
        self,
        recipe: Recipe,
        model: EncDecHybridRNNTCTCBPEModel,
        options: TrainingOptions,
        *,
        num_rows: int,
    ) -> None:
        self.recipe, self.model, self.options, self.num_rows = recipe, model, options, num_rows
        self.blank = model.tokenizer.vocab_size
        self.frame_head = nn.Linear(model.encoder.d_model, self.blank + 1)
        model.encoder.pre_encode.to(memory_format=torch.channels_last)  # a tenth faster
        parameters = itertools.chain(model.parameters(), self.frame_head.parameters())
        self.parameters = [p for p in parameters if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=options.peak_learning_rate, betas=(0.9, 0.98), weight_decay=1e-3
        )
        plain = model.preprocessor.featurizer.fb[0].numpy()
        warps = [0.85 + 0.02 * step for step in range(16)]
        filters = [augment.warp_filters(plain, warp) for warp in warps]
        self.mel_filters = torch.from_numpy(np.stack(filters))
        self.rng = random.Random(f"warp {options.seed}")
        self.started = time.monotonic()
        self.steps, self.rows_seen, self.audio_s = 0, 0, 0.0

    @property
    def minutes(self) -> float:
        return (time.monotonic() - self.started) / 60

    @property
    def progress(self) -> float:
        """How much is done, by rows or by the clock, whichever is further."""
        rows = self.rows_seen / self.num_rows
        return min(1.0, max(rows, self.minutes / self.options.minutes))

    def report(self) -> TrainingReport:
        epochs = self.rows_seen / self.options.num_rows
        return TrainingReport(epochs, self.steps, self.minutes, self.audio_s / 3600)

    def run_epoch(self, epoch: int, stream: DataLoader, num_rows: int) -> None:
        self.model.train()
        with tqdm(total=num_rows, mininterval=2.0, desc=f"epoch {epoch}", unit=" rows") as bar:
            for batch in stream:
                losses = self.step(batch)
                bar.update(len(batch.utterances))
                bar.set_postfix({name: f"{value:.3f}" for name, value in losses.items()})
                if self.progress >= 1:
                    break

    def step(self, batch: corpus.Batch) -> dict[str, float]:
        """Take one step; return each part of the loss, per token or per frame."""
        rate = self.options.peak_learning_rate
        warm_up = min(1.0, (self.steps + 1) / 200)
        cosine = 0.5 * (1 + math.cos(math.pi * self.progress))
        for group in self.optimizer.param_groups:
            group["lr"] = rate * warm_up * max(0.005, cosine)
        losses = self._losses(batch)
        total = losses["transducer"] + 0.3 * losses["ctc"] + 0.5 * losses["frame"]
        self.optimizer.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.steps += 1
        self.rows_seen += len(batch.utterances)
        self.audio_s += float(batch.num_samples.sum()) / SAMPLE_RATE_HZ
        return {name: loss.item() for name, loss in losses.items()}

    def _losses(self, batch: corpus.Batch) -> dict[str, Tensor]:
        model, recipe = self.model, self.recipe
        features, num_features = self._features(batch)
        encoded, num_frames = model.encoder(audio_signal=features, length=num_features)
        labels, num_labels, spans = targets(
            batch.utterances,
            model.tokenizer.text_to_ids,
            num_frames,
            max_duration=recipe.max_duration,
        )
        predicted, _, _ = model.decoder(targets=labels, target_length=num_labels)
        scores = model.joint(encoder_outputs=encoded, decoder_outputs=predicted)
        transducer = recipe.transducer_loss(scores, labels, spans, num_frames, num_labels)
        log_probs = model.ctc_decoder(encoder_output=encoded)
        ctc = nn.functional.ctc_loss(
            log_probs.transpose(0, 1),
            labels,
            num_frames,
            num_labels,
            blank=self.blank,
            reduction="sum",
            zero_infinity=True,
        )
        max_frames = encoded.shape[2]
        wanted = token_of_each_frame(
            labels, spans, num_frames, self.blank, max_frames, delay=recipe.naming_delay
        )
        named = self.frame_head(encoded.transpose(1, 2))
        frame = nn.functional.cross_entropy(named.flatten(0, 1), wanted.flatten(), ignore_index=-1)
        # A recording that says nothing weighs as one of a single word.
        said = num_labels.clamp(min=1).sum()
        return {"transducer": transducer.sum() / said, "ctc": ctc / said, "frame": frame}

    def _features(self, batch: corpus.Batch) -> tuple[Tensor, Tensor]:
        """Compute the model's own features, but with mel filters of another vocal tract."""
        featurizer = self.model.preprocessor.featurizer
        plain = featurizer.fb
        choice = [self.rng.randrange(len(self.mel_filters)) for _ in batch.utterances]
        featurizer.fb = self.mel_filters[choice]
        try:
            with torch.no_grad():
                features, num_features = self.model.preprocessor(
                    input_signal=torch.from_numpy(batch.waveforms),
                    length=torch.from_numpy(batch.num_samples),
                )
        finally:
            featurizer.fb = plain
        masked = self.model.spec_augmentation(input_spec=features, length=num_features)
        return masked, num_features
