"""What is not speech in training: the sounds, where they lie, and the loss of sounds alone."""

import random

import numpy as np
import pytest

from tiny.parakeet import rows
from tiny.parakeet.train import OPTIONS, RECIPE
from tiny.speech import corpus, sounds
from tiny.speech.voices import SAMPLE_RATE_HZ, Utterance, Word

DIGITS = corpus.Row((corpus.Part("digits", "one two three"),))
NOTHING = corpus.Row(())


@pytest.fixture
def rng() -> random.Random:
    return random.Random(9)


@pytest.fixture
def spoken() -> Utterance:
    """A tone for a word from 0.5 s on, half a second, and another at 2 s: silence around."""
    time_s = np.arange(3 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    is_spoken = ((time_s >= 0.5) & (time_s < 1.0)) | ((time_s >= 2.0) & (time_s < 2.5))
    waveform = (0.1 * np.sin(2 * np.pi * 300 * time_s) * is_spoken).astype(np.float32)
    return Utterance(waveform, (Word("one", 0.5, 1.0), Word("two", 2.0, 2.5)), "x")


@pytest.mark.parametrize("name", sounds.SOUNDS)
@pytest.mark.parametrize("num_samples", [0, 1, 40, 1_000, 50_000])
def test_a_sound_has_the_length_that_is_asked_for(name, num_samples, rng):
    sound = sounds.draw_one(name, num_samples, rng)
    assert len(sound) == num_samples
    assert sound.dtype == np.float32
    assert np.isfinite(sound).all()


@pytest.mark.parametrize("name", sounds.SOUNDS)
def test_a_sound_is_the_same_for_a_seed_and_another_for_another(name):
    first, again, other = (sounds.draw_one(name, 30_000, random.Random(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_some_rows_say_nothing_and_the_others_are_those_of_the_stages_before():
    drawn = rows.draw_rows(OPTIONS.num_rows, OPTIONS.seed)
    silent = [row for row in drawn if not row.parts]
    assert 0.08 <= len(silent) / len(drawn) <= 0.12
    assert drawn[: -len(silent)] == corpus.draw_rows(12_000, OPTIONS.seed)


def test_half_of_what_is_said_has_no_sounds_beside_it():
    plain = 0
    for seed in range(60):
        made = rows.render(DIGITS, random.Random(seed))
        rng = random.Random(seed)
        rng.random()
        plain += np.array_equal(made.waveform, corpus.render(DIGITS, rng).waveform)
    assert 25 <= plain <= 45


def test_sounds_leave_words_in_their_order_inside_the_recording(rng):
    for _ in range(60):
        made = rows.render(DIGITS, rng)
        assert made.text == DIGITS.text
        assert made.waveform.dtype == np.float32
        assert np.abs(made.waveform).max() <= 1
        edges = [edge for word in made.words for edge in (word.start_s, word.end_s)]
        assert edges == sorted(edges)
        assert edges[0] >= 0
        assert edges[-1] <= len(made.waveform) / SAMPLE_RATE_HZ


def test_sounds_lie_before_behind_and_between_words_and_hardly_within(spoken):
    """By how far each sample is from the tone at its place, scaled to what it became."""
    heard = {"before": 0, "within": 0, "between": 0, "behind": 0}
    for seed in range(80):
        made = rows.add_sounds(spoken, random.Random(seed))
        at_s = np.arange(len(made.waveform)) / SAMPLE_RATE_HZ
        first, second = made.words
        spans = {
            "before": at_s < first.start_s - 0.15,
            "between": (at_s > first.end_s + 0.15) & (at_s < second.start_s - 0.15),
            "behind": at_s > second.end_s + 0.15,
        }
        for name, span in spans.items():
            heard[name] += bool(span.any() and np.abs(made.waveform[span]).max() > 1e-3)
        # The middle of a word is the tone alone, but for the line that it went through.
        middle = (at_s > first.start_s + 0.2) & (at_s < first.end_s - 0.2)
        spectrum = np.abs(np.fft.rfft(made.waveform[middle]))
        strongest_hz = spectrum.argmax() * SAMPLE_RATE_HZ / middle.sum()
        heard["within"] += abs(strongest_hz - 300) > 20
    assert heard["within"] == 0
    assert min(heard[name] for name in ("before", "between", "behind")) >= 15


def test_a_recording_in_which_nobody_speaks_is_short_or_long_silent_or_loud():
    made = [rows.render(NOTHING, random.Random(seed)) for seed in range(120)]
    assert not any(utterance.words for utterance in made)
    lengths_s = [len(utterance.waveform) / SAMPLE_RATE_HZ for utterance in made]
    assert min(lengths_s) < 1 < 8 < max(lengths_s) <= 12
    peaks = [float(np.abs(utterance.waveform).max()) for utterance in made]
    assert min(peaks) == 0.0
    assert 0.3 < max(peaks) <= 1.0


@pytest.mark.parametrize("said", [[NOTHING], [NOTHING] * 3, [NOTHING, DIGITS]])
def test_rows_without_words_have_a_loss_that_is_finite_and_moves_the_weights(said, tmp_path):
    import torch

    from tiny.hybrid import Trainer, build_model, build_tokenizer

    torch.manual_seed(1)
    build_tokenizer(tmp_path)
    trainer = Trainer(RECIPE, build_model(RECIPE.config, tmp_path), OPTIONS, num_rows=10)
    before = trainer.frame_head.weight.clone()
    [batch] = corpus.batches(said, 0, 1, batch_audio_s=80, render_row=rows.render)
    losses = trainer.step(batch)
    assert all(np.isfinite(loss) and loss > 0 for loss in losses.values())
    assert all(torch.isfinite(parameter).all() for parameter in trainer.parameters)
    assert not trainer.frame_head.weight.equal(before)


def test_a_further_stage_draws_none_of_the_epochs_before():
    from tiny.release import epochs_begun

    first = {"report": {"epochs_done": 3.5}}
    second = {"report": {"epochs_done": 1.0}, "before": first}
    assert epochs_begun({"before": None}) == 0
    assert epochs_begun({"before": first}) == 4
    assert epochs_begun({"before": second}) == 5
