"""Answers in, the batches that they were in out; and what the best and the plainest packing give,
and the lane by its own code.

The rows of one batch are told the same time of the model, to a tenth of a millisecond, and hear so
at about the same moment: that is what tells batches apart. Clips must be of one chunk each.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from loadtest.bench.clips import Clip
from loadtest.bench.engines.dilated import batch_s
from loadtest.bench.load import Answer, BenchError, LoadRun
from serve_app.config import BatchConfig, ModelConfig
from serve_app.deployments.batching.pace import BatchReport, Pace
from serve_app.deployments.batching.windows import Windows


@dataclass(frozen=True, slots=True)
class Batch:
    """One run of the model."""

    durations_s: tuple[float, ...]
    ended_at: float = 0.0
    model_s: float = 0.0

    @property
    def audio_s(self) -> float:
        return sum(self.durations_s)

    @property
    def padded_s(self) -> float:
        return max(self.durations_s) * len(self.durations_s)


def batches_of(answers: Iterable[Answer], durations_s: Sequence[float]) -> list[Batch]:
    """In the order in which they ended. `durations_s` are those of the clips."""
    groups: dict[float, list[list[Answer]]] = {}
    for answer in sorted(answers, key=lambda each: each.answered_at):
        model_s = answer.stages_s["model"]
        same = groups.setdefault(model_s, [])
        # Two batches of one model end at least its time apart; answers may be late.
        if not same or answer.answered_at - same[-1][0].answered_at > 0.9 * model_s:
            same.append([])
        same[-1].append(answer)
    found = [
        Batch(tuple(durations_s[answer.index] for answer in group), group[0].answered_at, model_s)
        for model_s, same in groups.items()
        for group in same
    ]
    return sorted(found, key=lambda batch: batch.ended_at)


def steady(batches: Sequence[Batch], *, until: float) -> list[Batch]:
    """Without the first, in which the callers were not all there yet, and without those that ended
    after `until`, when they went home. `throughput` counts from the end of the first of these."""
    return [batch for batch in batches[1:] if batch.ended_at <= until]


def steady_part(found: LoadRun, clips: Sequence[Clip], for_s: float) -> list[Batch]:
    """The steady batches of a run whose callers went home after `for_s`.

    Raises:
        BenchError: there are not two of them.
    """
    until = min(each.answered_at - each.latency_s for each in found.answers) + for_s
    batches = steady(batches_of(found.answers, [clip.duration_s for clip in clips]), until=until)
    if len(batches) < 2:
        raise BenchError("too few batches in the steady part: measure for longer, or dilate less")
    return batches


def throughput(batches: Sequence[Batch]) -> float:
    """Audio seconds per second from the end of the first batch to the end of the last."""
    audio_s = sum(batch.audio_s for batch in batches[1:])
    return audio_s / (batches[-1].ended_at - batches[0].ended_at)


def sorted_packing(durations_s: Iterable[float], budget: BatchConfig) -> list[Batch]:
    """Of one who knows all lengths beforehand: sorted, then cut by the budget."""
    return list(_cut(sorted(durations_s), budget))


def first_come_packing(durations_s: Iterable[float], budget: BatchConfig) -> list[Batch]:
    """In the order given, cut by the budget."""
    return list(_cut(durations_s, budget))


def window_packing(
    durations_s: Sequence[float], budget: BatchConfig, *, num_waiting: int
) -> list[Batch]:
    """Of one who sees `num_waiting` at a time and never passes over the oldest: the batch is the
    oldest and those whose lengths are nearest to its own. What a queue so deep allows without
    starving anybody, by a plain rule; not a bound."""
    coming = iter(durations_s)
    waiting: list[float] = []
    found: list[Batch] = []
    while True:
        waiting += islice(coming, num_waiting - len(waiting))
        if len(waiting) < num_waiting:
            return found
        oldest = waiting[0]
        order = sorted(range(len(waiting)), key=lambda at: (at > 0, abs(waiting[at] - oldest)))
        taken = order[: _fitting([waiting[at] for at in order], budget)]
        found.append(Batch(tuple(waiting[at] for at in taken)))
        waiting = [each for at, each in enumerate(waiting) if at not in set(taken)]


def lane_packing(
    durations_s: Iterable[float], model: ModelConfig, *, num_callers: int
) -> list[Batch]:
    """Of the lane's own code, for callers who send again once they are answered and an engine that
    keeps to its curve: while one batch runs, the next is cut from all else that the replica may
    hold. A bound for what is served: nothing here is late."""
    waiting, pace, found = Windows[float](lambda length_s: length_s), Pace(), list[Batch]()
    num_running = 0
    for number, duration_s in enumerate(durations_s):
        waiting.add(number, duration_s)
        held = pace.num_batches_to_hold(model.batch) * model.batch.max_batch_size
        if len(waiting) < max(1, min(num_callers, int(held)) - num_running):
            continue
        rows = waiting.cut(model.batch, pace.full_per_s(model.batch))
        batch = Batch(tuple(rows))
        took_s = batch_s(model.simulated, batch.padded_s)
        pace.ran(BatchReport(len(rows), batch.audio_s, batch.padded_s, took_s))
        found.append(batch)
        num_running = len(rows)
    return found


def _cut(durations_s: Iterable[float], budget: BatchConfig) -> Iterator[Batch]:
    rows: list[float] = []
    for duration_s in durations_s:
        if rows and _fitting([*rows, duration_s], budget) == len(rows):
            yield Batch(tuple(rows))
            rows = []
        rows.append(duration_s)
    if rows:
        yield Batch(tuple(rows))


def _fitting(durations_s: Sequence[float], budget: BatchConfig) -> int:
    """How many of the first ones make a batch; a row that is too long is one by itself."""
    longest_s = 0.0
    for count, duration_s in enumerate(durations_s):
        longest_s = max(longest_s, duration_s)
        over = longest_s * (count + 1) > budget.max_batch_audio_s
        if count and (over or count >= budget.max_batch_size):
            return count
    return len(durations_s)
