"""Results in; a page of HTML that needs nothing else, JSON and Markdown, out."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

from loadtest.capacity.report import lines
from loadtest.capacity.report.advice import Advice, Expected
from loadtest.capacity.report.markdown import markdown
from loadtest.capacity.report.plots import plots
from loadtest.capacity.report.tables import conditions, kinds, table
from loadtest.capacity.results import Broken, Found, Results, tries_of
from loadtest.capacity.search.trials import Trial, broken_streams, broken_uploads

_SHARES = (0.5, 0.9, 0.95, 0.99)
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --warn: #d55e00; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 74rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid var(--line); }
th:last-child, td:last-child { text-align: left; }
pre { background: var(--soft); padding: 1rem; overflow-x: auto; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .8rem; }
.card { border: 1px solid var(--line); border-radius: .5rem; padding: .7rem 1rem; }
.card b { display: block; font-size: 1.5rem; } .facts { color: #777; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(24rem, 1fr)); gap: 1rem; }
figure { margin: 0; background: #fff; color: #222; border-radius: .5rem; padding: .5rem; }
figure svg { width: 100%; height: auto; } figcaption { font-weight: 600; padding: .2rem .5rem; }
.simulated { border-left: .3rem solid var(--warn); background: var(--soft); padding: .6rem 1rem; }
.broke { color: var(--warn); } .scroll { overflow-x: auto; }
"""


def write(results: Results, expected: Expected, advice: Advice, path: Path) -> None:
    """The page at `path`, and JSON and Markdown beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(_page(results, expected, advice)) + "\n")
    content = json.dumps(facts(results, expected, advice), indent=1, ensure_ascii=False)
    path.with_suffix(".json").write_text(content + "\n")
    text = "\n".join(markdown(results, expected, advice, path))
    path.with_suffix(".md").write_text(text + "\n")


def _page(results: Results, expected: Expected, advice: Advice) -> Iterator[str]:
    title = f"Capacity of {results.config}"
    yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<style>{_STYLE}</style><h1>{escape(title)}</h1>"
    yield f'<p class="facts">{"<br>".join(map(escape, conditions(results)))}</p>'
    yield f'<div class="cards">{"".join(_cards(results, expected, advice))}</div>'
    if held := list(lines.stands_for(results)):
        told = "".join(f"<p>{escape(line)}</p>" for line in held)
        yield f'<h2>What these numbers stand for</h2><div class="simulated">{told}</div>'
    for heading, sentences in (
        ("What one replica carries", lines.carried(results)),
        ("What happens when it is full", lines.when_full(results)),
        ("Processors", lines.processors(results)),
        ("What it costs, and how many", lines.planned(results, expected, advice)),
    ):
        told = "".join(f"<p>{escape(line)}</p>" for line in sentences)
        yield f"<h2>{heading}</h2>{told}" if told else ""
    yield f"<h2>To lay over the configuration</h2><pre>{escape(advice.yaml)}</pre>"
    drawn = (
        f"<figure><figcaption>{escape(name)}</figcaption>{svg}</figure>"
        for name, svg in plots(results).items()
    )
    yield f'<h2>Plots</h2><div class="plots">{"".join(drawn)}</div>'
    for heading, found, broken in kinds(results):
        rows = "".join(_rows(table(found, broken, results)))
        yield f'<h2>{heading}</h2><div class="scroll"><table>{rows}</table></div>'
    yield "</html>"


def _cards(results: Results, expected: Expected, advice: Advice) -> Iterator[str]:
    mark = " (simulated)" if results.is_simulated else ""
    shown: list[tuple[str, str]] = []
    if results.uploads_per_s:
        shown += [
            (f"{results.audio_s_per_s:,.0f}", "audio hours an hour"),
            (f"{results.uploads_per_s:,.1f}", "uploads a second"),
        ]
    if results.num_streams:
        shown.append((f"{results.num_streams}", "live streams"))
    if advice.cost_per_audio_hour is not None:
        shown.append((f"{expected.currency}{advice.cost_per_audio_hour:.2g}", "an audio hour"))
    for value, what in shown:
        yield f'<div class="card"><b>{escape(value)}</b>{escape(what + mark)}, one replica</div>'


def _rows(rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield f"<tr>{''.join(f'<th>{head}</th>' for head in next(rows))}</tr>"
    for *cells, so in rows:
        told = "".join(f"<td>{cell}</td>" for cell in cells)
        kind = "" if so.startswith("held") else "broke"
        yield f'<tr>{told}<td class="{kind}">{escape(so)}</td></tr>'


def facts(results: Results, expected: Expected, advice: Advice) -> dict[str, Any]:
    """All that the page says, for programs. Times and rates are at full speed, unless they are
    named `measured`."""
    measured = {
        "uploads": (results.uploads, broken_uploads),
        "streams": (results.streams, broken_streams),
    }
    return {
        "config": results.config,
        "conditions": list(conditions(results)),
        "simulated": results.is_simulated,
        "dilation": {"uploads": results.served.dilation, "streams": results.served.live_dilation},
        "objective": asdict(results.objective),
        "one_replica": {
            "uploads_per_s": results.uploads_per_s,
            "audio_hours_per_hour": results.audio_s_per_s,
            "streams": results.num_streams,
            "cores_for_uploads": results.cores_for_uploads,
            "cores_for_streams": results.cores_for_streams,
            "engine_busiest": results.busiest,
        },
        "cpu_s_per_upload": results.upload_cpu_s(),
        "cpu_s_per_stream_s": results.stream_cpu_s(),
        "idle_cores": dict(results.idle_cores),
        "expected": asdict(expected),
        "advice": asdict(advice),
        "told": [*lines.carried(results), *lines.when_full(results), *lines.stands_for(results)],
        "trials": {
            name: [_trial(trial, found, broken, results) for trial in tries_of(found)]
            for name, (found, broken) in measured.items()
            if found
        },
    }


def _trial(trial: Trial, found: Found, broken: Broken, results: Results) -> dict[str, Any]:
    p95_s = trial.latency_s(0.95)
    return {
        "measured_load": trial.load,
        "is_knee": trial is found.confirmed,
        "is_overload": trial is found.overload,
        "came": len(trial.outcomes),
        "answered": len(trial.answered),
        "refused": sum(each.is_refused for each in trial.failed),
        "latency_s": {f"p{share * 100:g}": trial.latency_s(share) for share in _SHARES}
        if trial.answered
        else {},
        "measured_p95_s": p95_s * trial.dilation if trial.answered else None,
        "audio_s_per_s": trial.audio_s_per_s,
        "word_error_rate": trial.error_rate,
        "engine_busy": trial.busy,
        "engine_fill": trial.fill,
        "engine_uploads_a_batch": trial.uploads_a_batch,
        "broken": broken(trial, results.objective),
    }
