"""The loss of the streaming model, against NeMo's own and every path counted one by one."""

import math

import pytest
import torch

from tiny.streaming.rnnt_loss import rnnt_loss


@pytest.fixture
def case():
    generator = torch.Generator().manual_seed(7)
    lengths = torch.tensor([(6, 2), (5, 3), (4, 0), (1, 1), (3, 3)])
    scores = 2 * torch.randn(len(lengths), 6, 4, 5, generator=generator)
    labels = torch.randint(0, 4, (len(lengths), 3), generator=generator)
    return scores, labels, *lengths.T


def likelihood_by_enumeration(scores, labels, num_frames, allowed):
    """Sum the probability of all paths that say every label by the last frame's blank."""
    chances = scores.softmax(-1)
    blank = scores.shape[-1] - 1

    def walk(frame: int, said: int) -> float:
        if frame == num_frames:
            return 1.0 if said == len(labels) else 0.0
        total = float(chances[frame, said, blank]) * walk(frame + 1, said)
        if said < len(labels) and allowed(said, frame):
            total += float(chances[frame, said, labels[said]]) * walk(frame, said + 1)
        return total

    return walk(0, 0)


def test_the_loss_is_that_of_nemos_own_reference(case):
    from nemo.collections.asr.losses.rnnt_pytorch import RNNTLossPytorch

    scores, labels, num_frames, num_labels = case
    reference = RNNTLossPytorch(blank=4, reduction="none")
    expected = reference.forward(scores, labels, num_frames, num_labels)
    torch.testing.assert_close(rnnt_loss(*case), expected)


def test_windows_leave_only_the_paths_within_them(case):
    scores, labels, num_frames, num_labels = case
    windows = torch.tensor([[[1, 3], [3, 4], [0, 0]]]).expand(5, -1, -1)
    loss = rnnt_loss(*case, windows=windows)[0]
    expected = likelihood_by_enumeration(
        scores[0],
        labels[0, : num_labels[0]].tolist(),
        int(num_frames[0]),
        lambda said, frame: windows[0, said, 0] <= frame <= windows[0, said, 1],
    )
    assert float(loss) == pytest.approx(-math.log(expected), rel=1e-4)


def test_windows_of_many_words_cost_no_precision():
    scores = torch.zeros(1, 200, 61, 5)
    labels = torch.zeros(1, 60, dtype=torch.long)
    windows = (3 * torch.arange(60)[:, None] + torch.tensor([0, 0]))[None]
    loss = rnnt_loss(scores, labels, torch.tensor([200]), torch.tensor([60]), windows=windows)
    # One path is left: it takes every blank and every label once.
    assert float(loss) == pytest.approx(260 * math.log(5), rel=1e-5)


def test_gradients_are_finite_and_do_not_reach_beyond_a_row(case):
    scores, *rest = case
    scores = scores.clone().requires_grad_()
    rnnt_loss(scores, *rest)[:3].sum().backward()
    assert torch.isfinite(scores.grad).all()
    assert scores.grad[1, 5:].abs().max() == 0
    assert scores.grad[1, :5].abs().max() > 0
