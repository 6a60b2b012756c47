"""One recording streamed by many at once, in; what they heard and how long it took, out."""

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence

from rich.table import Table

from serve_app.cli.listen.recording import paced
from serve_app.cli.listen.streaming import Heard, listen, quantile
from serve_app.cli.tables import print_table
from serve_app.client import ClientError, LiveStream

_SPREAD_S = 1.0
"""Real callers do not begin in the same millisecond."""
_MAX_TEXTS = 5


async def run_crowd(
    new_stream: Callable[[], LiveStream], pcm: bytes, args: argparse.Namespace
) -> int:
    """Stream `pcm` by `args.clients` at once; print a summary; return the exit status."""
    began_at = time.perf_counter()
    outcomes = await asyncio.gather(
        *(_one(new_stream(), pcm, args, index) for index in range(args.clients))
    )
    wall_s = time.perf_counter() - began_at
    heard = [each for each in outcomes if isinstance(each, Heard)]
    for text, count in Counter(each.text for each in heard).most_common(_MAX_TEXTS):
        print(f"{count} × {text}")
    if not args.quiet:
        print_table(_table(heard, wall_s), stderr=True)
    reasons = Counter(str(each) for each in outcomes if not isinstance(each, Heard))
    for reason, count in reasons.most_common(_MAX_TEXTS):
        print(f"chorus listen: {count} of {args.clients} failed: {reason}", file=sys.stderr)
    return 1 if reasons else 0


async def _one(
    stream: LiveStream, pcm: bytes, args: argparse.Namespace, index: int
) -> Heard | ClientError:
    try:
        return await listen(stream, _later(pcm, args, index), lambda text: None)
    except ClientError as error:
        return error


async def _later(pcm: bytes, args: argparse.Namespace, index: int) -> AsyncIterator[bytes]:
    await asyncio.sleep(_SPREAD_S * index / args.clients)
    async for block in paced(pcm, args.speed):
        yield block


def _table(heard: Sequence[Heard], wall_s: float) -> Table:
    table = Table("streams", "audio s", "wall s", "× real time", "", box=None, pad_edge=False)
    for title in ("p50 ms", "p95 ms", "p99 ms"):
        table.add_column(title, justify="right")
    audio_s = sum(each.audio_s for each in heard)
    latencies_s = [latency_s for each in heard for latency_s in each.latencies_s]
    finals_s = [each.final_s for each in heard]
    totals = (f"{len(heard)}", f"{audio_s:.1f}", f"{wall_s:.1f}", f"{audio_s / wall_s:.1f}")
    table.add_row(*totals, "text after its audio", *_quantiles(latencies_s))
    table.add_row("", "", "", "", "final text after the end", *_quantiles(finals_s))
    return table


def _quantiles(times_s: Sequence[float]) -> tuple[str, ...]:
    if not times_s:
        return ("–",) * 3
    return tuple(f"{quantile(times_s, share) * 1000:.0f}" for share in (0.5, 0.95, 0.99))
