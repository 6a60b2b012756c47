"""Results in; a page of Markdown and a plot out."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from loadtest.bench.machine import describe_machine, describe_versions
from loadtest.hours.comparison import Heard, Timing
from loadtest.hours.hearing import texts
from loadtest.hours.plotting import plot
from loadtest.hours.results import END_S, Results
from loadtest.hours.scaling import DILATION, MAX_BATCH_AUDIO_S
from loadtest.hours.sounds import SOUNDS
from serve_app.wer import Errors, align

_NUM_EXAMPLES = 12


def print_tables(results: Results) -> None:
    print("\n".join(_body(results)))


def write(results: Results, path: Path, remark: str | None = None) -> None:
    """The page at `path`, and its plot beside it as PNG."""
    plot_path = path.with_suffix(".png")
    lines = [
        "# Recordings of hours",
        "",
        *_facts(results),
        *([f"- {remark}"] if remark else []),
        "",
        *_body(results),
        "",
        f"![Memory over the job, times over the recording, and scaling]({plot_path.name})",
        "",
        *_limits(results),
        "",
        f"Taken by `python -m loadtest.hours --hours {results.audio_s / 3600:.3g} "
        f"--seed {results.seed}`.",
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    plot(results, plot_path)


def differing(results: Results) -> Iterator[str]:
    """A line for each utterance that the whole gave otherwise than it was heard alone."""
    for each in results.comparison.differing:
        said = " ".join(word.text for word in each.spoken.words)
        yield (
            f"{_clock(each.spoken.start_s)} [{each.context}, {each.spoken.speaker}] said: {said} | "
            f"alone: {' '.join(texts(each.alone))} | whole: {' '.join(texts(each.whole))}"
        )
    for stray in results.comparison.strays:
        yield f"{_clock(stray.word.start_s)} [{stray.sound}] whole: {stray.word.text}"


def _facts(results: Results) -> list[str]:
    recording = results.recording
    num_words = sum(len(spoken.words) for spoken in recording.utterances)
    digits = sum(spoken.kind == "digits" for spoken in recording.utterances)
    speech_s = sum(spoken.end_s - spoken.start_s for spoken in recording.utterances)
    sounds = ", ".join(
        f"{sound} {results.sound_s.get(sound, 0.0) / results.audio_s:.0%}" for sound in SOUNDS
    )
    return [
        f"- Machine: {describe_machine()}",
        f"- Versions: {describe_versions()}",
        f"- Model: {results.model}, of {results.config}, one replica of each deployment; "
        "decoders and chunks in flight as by default",
        f"- Recording: {_clock(results.audio_s)} of FLAC at 16 kHz, seed {results.seed}: "
        f"{len(recording.utterances):,} utterances of {num_words:,} words, {digits:,} of them "
        "digit strings",
        "  that real people said (one whom no model was trained on), the others commands in "
        "synthetic",
        f"  voices that no model has heard; speech is {speech_s / results.audio_s:.0%} of it, "
        f"the rest gaps: {sounds}.",
        "- The whole is one job; the parts are the same samples, each with half a second of "
        "digital silence",
        "  before and behind, as requests of their own, eight at a time.",
    ]


def _body(results: Results) -> Iterator[str]:
    for title, rows in (
        ("The words", _words(results)),
        ("Where utterances differ", _contexts(results)),
        ("Where nobody spoke", _strays(results)),
        ("The times", _times(results)),
        ("Memory while the whole is heard", _memory(results)),
        ("Time and processors", _costs(results)),
        ("One recording, more replicas", _scaling(results)),
    ):
        yield f"## {title}"
        yield ""
        yield from rows
        yield ""


def _words(results: Results) -> Iterator[str]:
    found = results.comparison
    num_same = sum(each.is_same for each in found.heard)
    yield "| | of | differ | substituted | lost | added | rate |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    yield _errors("the whole, against its parts", found.whole_vs_parts)
    yield _errors("the parts heard again 30 ms later, against themselves", found.again_vs_parts)
    yield _errors("the whole, against what was said", found.whole_vs_truth)
    yield _errors("the same without what lies between utterances", found.within_vs_truth)
    yield _errors("the parts, against what was said", found.parts_vs_truth)
    yield ""
    num_steady = sum(each.is_steady for each in found.heard)
    yield (
        f"{num_same:,} of {len(found.heard):,} utterances ({num_same / len(found.heard):.1%}) have "
        f"the same words in the whole as alone; {len(found.strays)} words of the whole lie"
    )
    yield (
        f"where nobody spoke. The control: {num_steady:,} ({num_steady / len(found.heard):.1%}) "
        "have the same words when they are sent"
    )
    yield "alone once more, behind 30 ms more of silence; the others hang on where the model's"
    yield "frames begin."


def _errors(name: str, errors: Errors) -> str:
    return (
        f"| {name} | {errors.num_reference:,} | {errors.total} | {errors.substitutions} "
        f"| {errors.deletions} | {errors.insertions} | {errors.rate:.2%} |"
    )


def _contexts(results: Results) -> Iterator[str]:
    yield (
        "| the utterance was, in the whole | utterances | differ | control differs "
        "| words changed | lost | added |"
    )
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for context, found in results.in_context.items():
        errors = found.difference
        yield (
            f"| {context} | {found.num_utterances:,} | {found.num_differing} "
            f"| {found.num_unsteady} | {errors.substitutions} | {errors.deletions} "
            f"| {errors.insertions} |"
        )
    yield ""
    yield "An utterance is *by itself* in a chunk with silence around; *beside* noise or music in a"
    yield "chunk that reaches into it, if only with its margin of 0.45 s; *with other utterances*"
    yield "in one chunk; *cut through* where more than one chunk holds some of it; *in no chunk*"
    yield "where the voice activity model heard nobody. The last line that fits counts it."
    examples = results.comparison.differing[:: _step(results.comparison.differing)]
    if examples:
        yield ""
        yield "| at | said | alone | in the whole | |"
        yield "|---:|---|---|---|---|"
        yield from map(_example, examples)


def _step(differing: Sequence[Heard]) -> int:
    return -(-len(differing) // _NUM_EXAMPLES) or 1


def _example(heard: Heard) -> str:
    alone, whole = [], []
    for one, other in align(texts(heard.alone), texts(heard.whole)):
        is_same = one == other
        alone += [one if is_same else f"**{one}**"] if one else []
        whole += [other if is_same else f"**{other}**"] if other else []
    said = " ".join(word.text for word in heard.spoken.words)
    return (
        f"| {_clock(heard.spoken.start_s)} | {said} | {' '.join(alone) or '–'} "
        f"| {' '.join(whole) or '–'} | {heard.context} |"
    )


def _strays(results: Results) -> Iterator[str]:
    yield "| between utterances there is | minutes | words heard there | a word every |"
    yield "|---|---:|---:|---:|"
    for sound in SOUNDS:
        sound_s, count = results.sound_s.get(sound, 0.0), results.strays.get(sound, 0)
        every = f"{sound_s / count:.0f} s" if count else "never"
        yield f"| {sound} | {sound_s / 60:.1f} | {count} | {every} |"


def _times(results: Results) -> Iterator[str]:
    found, from_s = results.comparison, max(0.0, results.audio_s - END_S)
    yield (
        "| middles of words, ms | words | median, first 10 min | median, last 10 min "
        "| worst, last 10 min | median size, all | worst, all |"
    )
    yield "|---|---:|---:|---:|---:|---:|---:|"
    yield _timing("whole − alone, words that both have", found.vs_alone, from_s)
    yield _timing("whole − truth, digits", found.vs_truth, from_s)
    yield _timing("alone − truth, digits", found.alone_vs_truth, from_s)


def _timing(name: str, timing: Timing, from_s: float) -> str:
    return (
        f"| {name} | {timing.count():,} | {_ms(timing.median_s(0.0, END_S))} "
        f"| {_ms(timing.median_s(from_s))} | {_ms(timing.worst_s(from_s))} "
        f"| {_ms(timing.median_size_s())} | {_ms(timing.worst_s())} |"
    )


def _memory(results: Results) -> Iterator[str]:
    yield "| processes | start, MiB | second quarter | last quarter | largest | flat |"
    yield "|---|---:|---:|---:|---:|---|"
    for group, held in results.held.items():
        yield (
            f"| {group} | {held.start_mib:.1f} | {held.second_quarter_mib:.1f} "
            f"| {held.last_quarter_mib:.1f} | {held.largest_mib:.1f} "
            f"| {'yes' if held.is_flat else 'NO'} |"
        )
    yield ""
    yield "Proportional set sizes (what processes share is shared out between them), every two"
    yield "seconds; the quarters are of the time of the job, upload included, and medians. Flat is"
    yield "what grows from one to the other by at most a tenth or 24 MiB. What the proxy and the"
    yield "ingress hold more than at the start came with the upload: each has 4 MiB of a body on"
    yield "its way, and what it took to pass them on."


def _costs(results: Results) -> Iterator[str]:
    whole, speech = results.whole, results.recording
    num_chunks = len(results.cuts.chunks)
    heard_s = sum(chunk.end_s - chunk.start_s for chunk in results.cuts.chunks)
    yield "| | |"
    yield "|---|---:|"
    yield f"| upload | {whole.upload_s:.1f} s |"
    yield f"| from the end of the upload to the result | {whole.job_s:.1f} s |"
    yield f"| audio seconds per second, of the job | {results.audio_s / whole.job_s:.0f} |"
    yield (
        "| audio seconds per second that one core decodes and listens to "
        f"| {results.cuts.audio_s_per_s:.0f} |"
    )
    yield f"| chunks | {num_chunks:,} |"
    yield f"| their part of the recording | {heard_s / results.audio_s:.0%} |"
    yield f"| the {len(speech.utterances):,} parts alone, 8 at a time | {results.parts_s:.1f} s |"
    yield ""
    yield "| processes | CPU s per audio hour | share |"
    yield "|---|---:|---:|"
    costs = results.cpu_s_per_audio_hour
    total = sum(costs.values())
    for group, cost in [*costs.items(), ("whole server", total)]:
        yield f"| {group} | {cost:.2f} | {cost / total:.0%} |"


def _scaling(results: Results) -> Iterator[str]:
    if not results.scales:
        yield "Not measured."
        return
    first = results.scales[0]
    yield (
        "| replicas | time of the job, s | audio seconds per second | speed-up | efficiency "
        "| same words and times |"
    )
    yield "|---:|---:|---:|---:|---:|---|"
    for scale in results.scales:
        speed_up = first.job_s / scale.job_s
        efficiency = speed_up * first.num_replicas / scale.num_replicas
        yield (
            f"| {scale.num_replicas} | {scale.job_s:.1f} "
            f"| {results.scaled_audio_s / scale.job_s:.0f} | {speed_up:.2f} | {efficiency:.0%} "
            f"| {'yes' if scale.is_same else 'NO'} |"
        )
    yield ""
    yield (
        f"The first {results.scaled_audio_s / 60:.0f} minutes' worth of such a recording, on "
        "`configs/simulated.yaml`: an engine that sleeps by a cost"
    )
    yield (
        f"curve, **{DILATION:g} times as slow as its default** and with batches of "
        f"{MAX_BATCH_AUDIO_S:g} padded seconds, so that the engine is"
    )
    yield "what limits the server, on two cores, and eight replicas have several batches each."


def _limits(results: Results) -> Iterator[str]:
    yield "Not measured: a GPU; speech over music; speakers who talk at once. One recording is"
    yield "decoded, and listened to for speech, by one core, and no number of replicas takes it"
    yield (
        f"faster than that: {results.cuts.audio_s_per_s:.0f} audio seconds per second here. "
        "One GPU takes more, so where real"
    )
    yield "models are served, more replicas help many recordings, not one."


def _clock(at_s: float) -> str:
    minutes, seconds = divmod(int(at_s), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f}"
