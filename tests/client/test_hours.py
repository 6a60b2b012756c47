"""The benchmark of long recordings: what it writes, how it compares. `make hours` runs it."""

import os
from itertools import pairwise
from pathlib import Path

import pytest
import soundfile
import yaml

from loadtest.bench.server import fixed_config, model_of
from loadtest.hours import report
from loadtest.hours.chunks import Cut, Cuts, cut
from loadtest.hours.comparison import assign, compare, contexts
from loadtest.hours.hearing import HeardWord, Whole, texts
from loadtest.hours.memory import MemorySample, MemoryWatch, held_by_group
from loadtest.hours.recording import GAP_S, MAX_WORDS, Gap, Recording, Spoken, write_recording
from loadtest.hours.results import Results
from loadtest.hours.scaling import Scale, slow
from serve_app.models.loader import PROJECT_ROOT
from tiny.speech.voices import Word

CONFIG = PROJECT_ROOT / "configs/simulated.yaml"


def spoken(text: str, start_s: float) -> Spoken:
    """Half a second for each word, without pauses."""
    words = tuple(
        Word(word, start_s + 0.5 * index, start_s + 0.5 * index + 0.5)
        for index, word in enumerate(text.split())
    )
    return Spoken(start_s, words[-1].end_s, words, "digits", "george")


def heard(text: str, start_s: float) -> tuple[HeardWord, ...]:
    return tuple(HeardWord(w.text, w.start_s, w.end_s) for w in spoken(text, start_s).words)


RECORDING = Recording(
    Path("whole.flac"),
    20.0,
    (spoken("one two", 2.0), spoken("three", 6.0), spoken("four five", 10.0)),
    (
        Gap(0.0, 2.0, "silence"),
        Gap(3.0, 6.0, "room noise"),
        Gap(6.5, 10.0, "music"),
        Gap(11.0, 20.0, "silence"),
    ),
)
CHUNKS = (Cut(1.6, 3.0, False), Cut(5.9, 7.4, False), Cut(9.0, 10.6, True), Cut(10.4, 12.0, True))
PARTS = [heard("one two", 2.0), heard("six", 6.0), heard("four five", 10.0)]


def results(scales: tuple[Scale, ...] = ()) -> Results:
    whole = (
        *heard("one two", 2.1),
        *heard("three", 6.0),
        *heard("nine", 8.0),
        *heard("four", 10.0),
    )
    return Results(
        config="configs/tiny.yaml",
        model="parakeet-tiny",
        seed=1,
        recording=RECORDING,
        whole=Whole(whole, upload_s=1.0, job_s=2.0),
        parts_s=3.0,
        comparison=compare(RECORDING, whole, PARTS, PARTS, CHUNKS),
        cuts=Cuts(CHUNKS, 200.0),
        memory=[MemorySample(float(at), {"Ingress": 100.0 + at}) for at in range(8)],
        cpu_s={"Ingress": 1.0, "decoders": 3.0},
        scaled_audio_s=60.0,
        scales=scales,
    )


def test_a_recording_is_made_of_what_it_says(tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "a.flac", duration_s=60, seed=4)
    info = soundfile.info(recording.path)
    assert info.frames / info.samplerate == recording.duration_s >= 60
    stretches = sorted([*recording.gaps, *recording.utterances], key=lambda each: each.start_s)
    edges = [(one.end_s, other.start_s) for one, other in pairwise(stretches)]
    assert all(end == start for end, start in edges)
    for said in recording.utterances:
        assert 1 <= len(said.words) <= MAX_WORDS
        assert said.start_s <= said.words[0].start_s < said.words[-1].end_s <= said.end_s + 0.01
    assert min(gap.end_s - gap.start_s for gap in recording.gaps) >= GAP_S[0]


def test_a_part_has_the_samples_that_the_whole_has(tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "a.flac", duration_s=20, seed=4)
    said = recording.utterances[1]
    (tmp_path / "part.wav").write_bytes(recording.alone(said))
    part, rate_hz = soundfile.read(tmp_path / "part.wav", dtype="int16")
    whole, _ = soundfile.read(recording.path, dtype="int16")
    begin, end = round(said.start_s * rate_hz), round(said.end_s * rate_hz)
    assert (part[8000:-8000] == whole[begin:end]).all()
    assert not part[:8000].any()
    assert not part[-8000:].any()


def test_a_word_goes_to_the_utterance_that_it_falls_into_or_to_none() -> None:
    words = [*heard("two", 2.9), *heard("six", 4.5), *heard("three", 5.6)]
    within, strays = assign(words, RECORDING.utterances)
    assert [texts(each) for each in within] == [["two"], ["three"], []]
    assert texts(strays) == ["six"]


def test_an_utterance_is_told_by_the_chunk_that_it_fell_into() -> None:
    assert list(contexts(RECORDING, CHUNKS)) == ["by itself", "beside music", "cut through"]
    both = (Cut(1.6, 7.0, False),)
    assert list(contexts(RECORDING, both)) == ["with other utterances"] * 2 + ["in no chunk"]


def test_differences_are_counted_against_the_parts_and_against_the_truth() -> None:
    found = results().comparison
    assert [texts(each.whole) for each in found.heard] == [["one", "two"], ["three"], ["four"]]
    assert [each.is_same for each in found.heard] == [True, False, False]
    assert [(stray.word.text, stray.sound) for stray in found.strays] == [("nine", "music")]
    # one two six      four five
    # one two three nine four
    assert (found.whole_vs_parts.total, found.whole_vs_parts.num_reference) == (3, 5)
    assert found.within_vs_truth.total == 1
    assert found.parts_vs_truth.total == 1
    assert found.again_vs_parts.total == 0


def test_times_are_compared_where_the_words_are_the_same() -> None:
    found = results().comparison
    assert [round(off, 6) for _, off in found.vs_alone.off_s] == [0.1, 0.1]
    assert found.vs_truth.count() == 3
    assert found.vs_alone.worst_s(from_s=5.0) == 0.0
    assert found.vs_truth.worst_s() == pytest.approx(0.1)


def test_memory_is_flat_where_it_grows_by_little() -> None:
    def held(last: float) -> bool:
        mib = [100.0] * 6 + [last, last]
        samples = [MemorySample(float(at), {"Ingress": each}) for at, each in enumerate(mib)]
        return held_by_group(samples)["Ingress"].is_flat

    assert held(124.0)
    assert not held(125.0)


def test_memory_is_sampled_of_a_process_and_its_children() -> None:
    with MemoryWatch(os.getpid(), every_s=0.01) as watch:
        pass
    assert watch.samples[0].mib["chorus serve"] > 10


def test_the_cuts_are_those_of_the_server(tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "a.flac", duration_s=40, seed=4)
    cuts = cut(recording.path, model_of(PROJECT_ROOT / "configs/tiny.yaml", None))
    assert "in no chunk" not in list(contexts(recording, cuts.chunks))


def test_replicas_of_the_scaled_server_are_fixed() -> None:
    model = slow(model_of(CONFIG, None))
    document = yaml.safe_load(yaml.safe_dump(fixed_config(CONFIG, model, num_replicas=4)))
    by_name = {each["name"]: each for each in document["applications"][0]["deployments"]}
    assert by_name["simulated"]["num_replicas"] == 4
    assert by_name["Ingress"]["num_replicas"] == 1
    assert "autoscaling_config" not in by_name["simulated"]


def test_a_report_tells_words_times_memory_and_scaling(tmp_path: Path) -> None:
    found = results((Scale(1, 40.0, 5, True), Scale(4, 12.5, 5, True)))
    report.write(found, tmp_path / "hours.md")
    page = (tmp_path / "hours.md").read_text()
    assert "| the whole, against its parts | 5 | 3 |" in page
    assert "| music | 0.1 | 1 | 4 s |" in page
    assert "| Ingress | 100.0 | 102.5 | 106.5 | 107.0 | yes |" in page
    assert "| 4 | 12.5 | 5 | 3.20 | 80% | yes |" in page
    assert "| 0:00:06 | three | **six** | **three** | beside music |" in page
    assert (tmp_path / "hours.png").read_bytes().startswith(b"\x89PNG")
    assert len(list(report.differing(found))) == 3
