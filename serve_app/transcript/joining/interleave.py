"""The segments of several channels in, each in order; all of them by time out."""

import heapq
from collections.abc import Iterator

from serve_app.transcript.types import Segment


class Interleaved:
    """A segment leaves once no channel can bring an earlier one. Of one channel each leaves as soon
    as it is settled."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, int, Segment]] = []
        self._settled: dict[int, float] = {}
        self._num_pushed = 0

    @property
    def settled_s(self) -> float:
        """Before this nothing more will come, of any channel."""
        return min(self._settled.values(), default=0.0)

    def push(self, segment: Segment, channel: int) -> None:
        self._settled.setdefault(channel, 0.0)
        self._num_pushed += 1
        heapq.heappush(self._waiting, (segment.start_s, channel, self._num_pushed, segment))

    def settle(self, channel: int, at_s: float) -> None:
        """Nothing of `channel` will begin before `at_s`."""
        self._settled[channel] = at_s

    def pop(self) -> Iterator[Segment]:
        """What can leave now."""
        if len(self._settled) == 1:
            while self._waiting:
                yield heapq.heappop(self._waiting)[-1]
            return
        settled_s = self.settled_s
        while self._waiting and self._waiting[0][0] < settled_s:
            yield heapq.heappop(self._waiting)[-1]
