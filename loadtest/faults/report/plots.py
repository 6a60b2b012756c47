"""A trial in, its timeline out: each request where it began, each stream from end to end."""

from pathlib import Path

from loadtest.faults.clients.told import LATE, NOT_ACCEPTED, OF_THE_WIRE, OK, SERVER, WRONG, Request
from loadtest.faults.results import recovery
from loadtest.faults.trial import Trial

_BLUE, _RED, _ORANGE, _GREEN, _PURPLE, _GREY = (
    "#0072b2", "#d55e00", "#e69f00", "#009e73", "#cc79a7", "#999999",
)  # fmt: skip
"""Okabe and Ito's, which colour-blind readers can tell apart."""
_GAP_S = 0.8
"""Left between two streams of one lane, so that they can be told apart."""
_FATES = (
    ("answered at once", _BLUE, "o"),
    ("refused, then answered", _ORANGE, "^"),
    ("cut, then answered", _PURPLE, "s"),
    ("lost by the server, then answered", _RED, "X"),
    ("never answered, or wrong", "#000000", "X"),
)


def plot(trial: Trial, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (quick, streams) = pyplot.subplots(
        2, 1, figsize=(9, 4.6), sharex=True, layout="constrained", height_ratios=(2, 1)
    )
    asked = [each for each in trial.requests if each.wire in ("upload", "SSE")]
    for number, (name, colour, marker) in enumerate(_FATES):
        some = [each for each in asked if _fate(each) == number]
        took_s = [max(each.took_s, 1e-3) for each in some]
        began_s = [each.began_at for each in some]
        size = 9 if number == 0 else 30
        quick.scatter(began_s, took_s, s=size, c=colour, marker=marker, label=name, linewidths=0)
    quick.set(yscale="log", ylabel="seconds to the text", title=f"{trial.fault}: uploads")
    quick.legend(fontsize=7, loc="upper right", ncols=2)
    _draw_streams(streams, trial)
    for axis in (quick, streams):
        for at_s, _ in trial.events:
            axis.axvline(at_s, color=_GREY, linewidth=0.8, linestyle=":")
        axis.axvline(0, color=_RED, linewidth=1)
        axis.axvline(recovery(trial).as_before_s, color=_GREEN, linewidth=1)
    for number, (at_s, what) in enumerate(trial.events):
        streams.annotate(
            what, (at_s, 0), xytext=(2, 2 + 8 * (number % 3)), fontsize=6,
            xycoords=("data", "axes fraction"), textcoords="offset points",
        )  # fmt: skip
    figure.savefig(path, dpi=90, metadata={"Software": None})
    pyplot.close(figure)


def _draw_streams(axis: object, trial: Trial) -> None:
    lanes: list[float] = []
    for each in sorted(trial.requests, key=lambda request: request.began_at):
        if each.wire != "live":
            continue
        lane = next((n for n, free_s in enumerate(lanes) if free_s <= each.began_at), len(lanes))
        lanes[lane : lane + 1] = [each.ended_at]
        is_good = each.is_answered and each.words.is_right
        colour = _RED if not is_good else _PURPLE if len(each.attempts) > 1 else _BLUE
        axis.plot([each.began_at, each.ended_at - _GAP_S], [lane, lane], color=colour, linewidth=4)  # type: ignore[attr-defined]  # matplotlib's
        if each.ended_at > 0 and each.silence_s > 3:
            silent = [each.silence_at, each.silence_at + each.silence_s]
            axis.plot(silent, [lane, lane], color=_ORANGE, linewidth=2)  # type: ignore[attr-defined]
    axis.set(xlabel="seconds since the fault", ylabel="live streams", ylim=(-1.5, None))  # type: ignore[attr-defined]
    axis.set_yticks([])  # type: ignore[attr-defined]


def _fate(request: Request) -> int:
    """Its place in `_FATES`: the worst that happened to it."""
    outcomes = {attempt.outcome for attempt in request.attempts} - {OK}
    if not request.is_answered or WRONG in outcomes:
        return 4
    if outcomes & {SERVER, LATE}:
        return 3
    if outcomes & set(OF_THE_WIRE):
        return 2
    return 1 if outcomes & set(NOT_ACCEPTED) else 0
