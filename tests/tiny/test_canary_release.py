"""What ships of canary-tiny: weights, card, manifests and samples agree with each other."""

import gzip
import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

import tiny
from tiny.canary.card import render_card
from tiny.canary.speech.phrases import DIRECTIONS, LANGUAGES, plain

TINY = Path(tiny.__file__).parent
WEIGHTS = TINY / "weights" / "canary-tiny.nemo"
SAMPLES = TINY / "samples" / "canary"


@pytest.fixture(scope="module")
def facts() -> dict:
    return json.loads(WEIGHTS.with_suffix(".json").read_text())


@pytest.fixture(scope="module")
def training() -> tuple[dict, set[str]]:
    """Who spoke in training, and every text of it in every language, plain."""
    packed = WEIGHTS.with_suffix(".train.jsonl.gz").read_bytes()
    first, *rest = map(json.loads, gzip.decompress(packed).decode().splitlines())
    return first, {plain(text) for entry in rest for text in entry["texts"].values()}


@pytest.fixture(scope="module")
def evaluation() -> list[dict]:
    files = sorted((TINY / "canary" / "eval").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


@pytest.fixture(scope="module")
def heard_by_the_encoder() -> set[str]:
    """Every utterance that parakeet-tiny heard, whose encoder this one began with."""
    packed = WEIGHTS.with_name("parakeet-tiny.train.jsonl.gz").read_bytes()
    _, *rest = map(json.loads, gzip.decompress(packed).decode().splitlines())
    return {part for entry in rest for part in entry["parts"]}


def texts_of(items: list[dict]) -> set[str]:
    """Every utterance in every language, and every recording as a whole."""
    single = {plain(text) for item in items for part in item["parts"] for text in part.values()}
    whole = {
        plain(" ".join(part[language] for part in item["parts"]))
        for item in items
        for language in LANGUAGES
    }
    return (single | whole) - {""}


def test_no_evaluation_transcript_or_translation_was_in_training(training, evaluation):
    assert len(training[1]) > 10_000
    assert len(texts_of(evaluation)) > 500
    assert not training[1] & texts_of(evaluation)


def test_no_english_recording_of_the_evaluation_says_what_the_encoder_had_heard(
    heard_by_the_encoder, evaluation
):
    english = [item for item in evaluation if item["language"] == "en"]
    said = {plain(part["en"]) for item in english for part in item["parts"]}
    assert len(said) > 200
    assert not said & heard_by_the_encoder


def test_no_evaluation_speaker_was_in_training(training, evaluation):
    people = {item["speaker"] for item in evaluation} - {"synthetic", "nobody"}
    assert people == {"yweweler"}
    assert not people & set(training[0]["speakers"])


def test_no_evaluation_voice_was_in_training(training):
    from tiny.speech.voices import HELD_OUT_VARIANTS

    assert not set(HELD_OUT_VARIANTS) & set(training[0]["variants"])


def test_every_language_has_at_least_a_hundred_recordings_of_speech(evaluation):
    sizes = Counter(item["id"].rsplit("-", 1)[0] for item in evaluation)
    assert all(sizes[f"speech-{language}"] >= 100 for language in LANGUAGES)
    assert sizes["digits"] >= 100


def test_the_card_holds_the_figures_that_stand_beside_it(facts):
    assert WEIGHTS.with_suffix(".md").read_text() == render_card(facts)


def test_the_figures_are_of_these_weights(facts):
    assert hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() == facts["weights"]["sha256"]
    assert WEIGHTS.stat().st_size == facts["weights"]["bytes"] <= 18_000_000


def test_files_are_small_enough_for_a_repository():
    assert WEIGHTS.with_suffix(".train.jsonl.gz").stat().st_size <= 1_000_000
    assert sum(file.stat().st_size for file in SAMPLES.iterdir()) <= 300_000


def test_the_samples_say_unseen_phrases_in_every_language(training, heard_by_the_encoder):
    samples = json.loads((SAMPLES / "samples.json").read_text())
    assert {sample["language"] for sample in samples} == set(LANGUAGES)
    for sample in samples:
        assert (SAMPLES / sample["file"]).exists()
        texts = {sample["text"], *sample["translations"].values()}
        assert not set(map(plain, texts)) & training[1]
        assert sample["language"] != "en" or plain(sample["text"]) not in heard_by_the_encoder


def test_the_samples_manifest_asks_for_every_direction():
    lines = (SAMPLES / "manifest.jsonl").read_text().splitlines()
    asked = {(row["source_lang"], row["target_lang"]) for row in map(json.loads, lines)}
    assert asked == {*DIRECTIONS, *((language, language) for language in LANGUAGES)}
