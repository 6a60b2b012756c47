"""What the streaming recipe says, and what it takes over from parakeet-tiny."""

import random

import numpy as np
import torch

from tiny.speech import corpus
from tiny.streaming import rows
from tiny.targets import targets, token_of_each_frame


def test_some_rows_say_nothing_and_some_say_four_utterances():
    drawn = rows.draw_rows(400, seed=1)
    assert {len(row.parts) for row in drawn} == set(rows.NUM_PARTS)


def test_a_recording_without_words_may_be_silent_soft_or_loud():
    made = [rows.draw_nobody(random.Random(seed)) for seed in range(60)]
    levels = [float(np.sqrt(np.mean(np.square(waveform)))) for waveform in made]
    assert min(levels) == 0.0
    assert max(levels) > 0.05
    assert all(np.abs(waveform).max() <= 1 for waveform in made)
    assert all(waveform.dtype == np.float32 for waveform in made)


def test_a_recording_begins_at_once_or_after_a_while():
    row = corpus.Row((corpus.Part("digits", "one two"),))
    starts = [rows.render(row, random.Random(seed)).words[0].start_s for seed in range(40)]
    assert min(starts) < 0.2
    assert max(starts) > 1.0


def test_recordings_without_words_have_targets_of_blanks():
    nobody = rows.render(corpus.Row(()), random.Random(1))
    labels, num_labels, spans = targets(
        [nobody, nobody], lambda word: [1], torch.tensor([3, 2]), max_duration=9
    )
    assert labels.shape == (2, 1)
    assert num_labels.tolist() == [0, 0]
    named = token_of_each_frame(labels, spans, torch.tensor([3, 2]), 7, 3, delay=1)
    assert named.tolist() == [[7, 7, 7], [7, 7, -1]]


def test_a_frame_may_be_named_after_the_token_of_a_while_ago():
    labels, spans = torch.tensor([[5]]), torch.tensor([[[1, 3]]])
    named = token_of_each_frame(labels, spans, torch.tensor([6]), 9, 6, delay=2)
    assert named.tolist() == [[9, 9, 9, 5, 5, 9]]


def test_words_may_come_from_their_middle_to_a_little_after_their_end():
    from tiny.streaming.train import LATEST_FRAMES, transducer_loss

    labels, spans = torch.tensor([[2]]), torch.tensor([[[4, 8]]])
    one = torch.tensor([1])

    def loss(emitted_at: int) -> float:
        """Of scores that are sure of the word at one frame and of the blank elsewhere."""
        scores = torch.zeros(1, 20, 2, 4)
        scores[..., 3] = 50.0
        scores[0, emitted_at, 0, 2] = 100.0
        return float(transducer_loss(scores, labels, spans, 20 * one, one))

    in_time = [frame for frame in range(20) if loss(frame) < 1]
    assert in_time == list(range(6, 8 + LATEST_FRAMES + 1))


def test_it_begins_with_all_that_it_can_use_of_parakeet_tiny(tmp_path):
    from tiny.hybrid import build_model, build_tokenizer
    from tiny.parakeet.release import RELEASE
    from tiny.streaming.train import RECIPE, begin_with

    build_tokenizer(tmp_path)
    model = build_model(RECIPE.config, tmp_path)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    begin_with(model, RELEASE.weights)
    same = [name for name, value in model.state_dict().items() if value.equal(before[name])]
    # Windows and filters of the features are not learnt.
    assert all(name.startswith("preprocessor.") for name in same)
