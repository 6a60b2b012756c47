"""The loss that trains without CUDA, against every path counted one by one."""

import math

import pytest
import torch

from tiny.parakeet.tdt_loss import tdt_loss
from tiny.speech.voices import Utterance, Word
from tiny.targets import FRAME_S, targets, token_of_each_frame

DURATIONS = (0, 1, 2, 3, 4)


def likelihood_by_enumeration(tokens, durations, labels, num_frames, allowed=lambda *_: True):
    """Sum the probability of all paths from the first frame to exactly past the last one."""
    blank = tokens.shape[-1] - 1

    def walk(frame: int, said: int) -> float:
        if frame == num_frames:
            return 0.0
        total = 0.0
        for index, duration in enumerate(DURATIONS):
            step = float(durations[frame, said, index])
            if duration and frame + duration <= num_frames:
                here = math.exp(step + float(tokens[frame, said, blank]))
                ends = frame + duration == num_frames and said == len(labels)
                total += here * (1.0 if ends else walk(frame + duration, said))
            inside = frame + duration < num_frames
            if said < len(labels) and inside and allowed(said, frame, frame + duration):
                here = math.exp(step + float(tokens[frame, said, labels[said]]))
                total += here * walk(frame + duration, said + 1)
        return total

    return walk(0, 0)


@pytest.fixture
def case():
    generator = torch.Generator().manual_seed(7)
    lengths = [(6, 2), (5, 3), (4, 0), (1, 1), (3, 3)]
    tokens = torch.randn(len(lengths), 6, 4, 5, generator=generator).log_softmax(-1)
    durations = torch.randn(len(lengths), 6, 4, 5, generator=generator).log_softmax(-1)
    labels = torch.randint(0, 4, (len(lengths), 3), generator=generator)
    return tokens, durations, labels, lengths


def test_the_loss_is_that_of_all_paths_counted_one_by_one(case):
    tokens, durations, labels, lengths = case
    num_frames, num_labels = torch.tensor(lengths).T
    losses = tdt_loss(tokens, durations, labels, num_frames, num_labels, durations=DURATIONS)
    for row, (frames, count) in enumerate(lengths):
        expected = likelihood_by_enumeration(
            tokens[row], durations[row], labels[row, :count].tolist(), frames
        )
        assert float(losses[row]) == pytest.approx(-math.log(expected), rel=1e-4)


def test_spans_leave_only_the_paths_near_them(case):
    tokens, durations, labels = (scores[:1] for scores in case[:3])
    spans = torch.tensor([[[1, 3], [4, 5], [0, 0]]])
    loss = tdt_loss(
        tokens,
        durations,
        labels,
        torch.tensor([6]),
        torch.tensor([2]),
        durations=DURATIONS,
        spans=spans,
        tolerance=1.0,
    )

    def near(said: int, start: int, end: int) -> bool:
        wanted_start, wanted_end = spans[0, said].tolist()
        return abs(start - wanted_start) <= 1 and abs(end - wanted_end) <= 1

    expected = likelihood_by_enumeration(
        tokens[0], durations[0], labels[0, :2].tolist(), 6, allowed=near
    )
    assert float(loss) == pytest.approx(-math.log(expected), rel=1e-4)


def test_gradients_are_finite_and_do_not_reach_beyond_a_row(case):
    tokens, durations, labels, lengths = case
    tokens = tokens.clone().requires_grad_()
    num_frames, num_labels = torch.tensor(lengths).T
    losses = tdt_loss(tokens, durations, labels, num_frames, num_labels, durations=DURATIONS)
    losses[:3].sum().backward()
    assert torch.isfinite(tokens.grad).all()
    assert tokens.grad[1, 5:].abs().max() == 0
    assert tokens.grad[1, :5].abs().max() > 0


def test_spans_of_words_can_always_be_said():
    words = (Word("a", 0.10, 0.21), Word("bcd", 0.21, 0.33), Word("e", 0.9, 1.9))
    spoken = Utterance(None, words, "x")
    num_frames = torch.tensor([24])
    labels, num_labels, spans = targets(
        [spoken], lambda word: [ord(letter) - 97 for letter in word], num_frames, max_duration=4
    )
    assert labels.tolist() == [[0, 1, 2, 3, 4]]
    uniform = torch.zeros(1, 24, 6, 6).log_softmax(-1)
    loss = tdt_loss(
        uniform, uniform[..., :5], labels, num_frames, num_labels,
        durations=DURATIONS, spans=spans, tolerance=0.0,
    )  # fmt: skip
    assert float(loss) < 100
    # A word longer than any duration is said around its middle.
    begin, end = (spans[0, -1] * FRAME_S).tolist()
    assert (begin + end) / 2 == pytest.approx(1.4, abs=FRAME_S / 2)


def test_each_frame_is_named_after_the_token_that_is_spoken():
    labels, spans = torch.tensor([[7, 8]]), torch.tensor([[[1, 3], [3, 4]]])
    named = token_of_each_frame(labels, spans, torch.tensor([5]), blank=9, max_frames=6)
    assert named.tolist() == [[9, 7, 7, 8, 9, -1]]
