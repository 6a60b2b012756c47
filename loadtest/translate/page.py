"""What was measured, in; lines for a terminal, and the page `docs/translation.md`, out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from loadtest.bench.machine import describe_commit, describe_machine, describe_versions
from loadtest.translate.floor import Alone, Utterance
from loadtest.translate.talks import Told

_PAGE = Path(__file__).with_suffix(".md")


@dataclass(frozen=True, slots=True)
class Measured:
    """One run."""

    utterances: Sequence[Utterance]
    alone: Sequence[Sequence[Alone]]
    """Once before each of `told`."""
    told: Mapping[str, Sequence[Told]]
    """By how the end of an utterance was found."""
    crowd: Sequence[Told]
    """With many at once, by the last of them."""
    num_talks: int
    machine_load: float
    """Of the minute before, as the kernel tells it."""


def lines_of(measured: Measured) -> list[str]:
    """The table, and how often the text was right."""
    return [*_table(measured), "", _right(measured)]


def page_of(measured: Measured) -> str:
    durations_s = [each.duration_s for each in measured.utterances]
    return _PAGE.read_text().format(
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        machine=describe_machine(),
        versions=describe_versions(),
        commit=describe_commit(),
        load=measured.machine_load,
        num=len(measured.utterances),
        shortest=min(durations_s),
        longest=max(durations_s),
        num_talks=measured.num_talks,
        table="\n".join(_table(measured)),
        right=_right(measured),
    )


def _table(measured: Measured) -> list[str]:
    alone = [each for one in measured.alone for each in one]
    floor_text = [each.model_s for each in alone]
    floor_sound = [each.sound_s for each in alone]
    rows = [
        "| | text p50 | p95 | first sound p50 | p95 | ÷ floor, p50 |",
        "|---|---|---|---|---|---|",
        _row("floor: the model alone, the voice alone", floor_text, floor_sound, "1"),
    ]
    base_s = _quantile(floor_sound, 0.5)
    crowd = f"the same, {measured.num_talks} conversations at once"
    for name, told in {**measured.told, crowd: measured.crowd}.items():
        sounds = [each.client_sound_s for each in told]
        ratio = f"{_quantile(sounds, 0.5) / base_s:.1f}"
        rows.append(_row(name, [each.client_text_s for each in told], sounds, ratio))
    return rows


def _row(name: str, text: Iterable[float], sound: Iterable[float], ratio: str) -> str:
    cells = [
        f"{_quantile(times, share) * 1000:.0f} ms"
        for times in (list(text), list(sound))
        for share in (0.5, 0.95)
    ]
    return f"| {name} | {' | '.join(cells)} | {ratio} |"


def _right(measured: Measured) -> str:
    """As the phrases' own translations have it."""
    pairs = zip(measured.alone[0], measured.utterances, strict=True)
    alone = sum(each.text == utterance.text for each, utterance in pairs)
    told = [
        sum(
            each.text == utterance.text
            for each, utterance in zip(one, measured.utterances, strict=True)
        )
        for one in measured.told.values()
    ]
    num = len(measured.utterances)
    counts = ", ".join(map(str, told))
    return f"Of {num} phrases the model alone had {alone} right word for word; the server {counts}."


def _quantile(values: Sequence[float], share: float) -> float:
    """The nearest rank."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]
