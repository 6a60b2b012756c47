"""What ships of the English models: weights, cards, manifests and samples agree with each other."""

import gzip
import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

import tiny
from tiny.parakeet import card as parakeet_card
from tiny.speech import grammar
from tiny.streaming import card as streaming_card

TINY = Path(tiny.__file__).parent
CARDS = {"parakeet-tiny": parakeet_card, "parakeet-streaming-tiny": streaming_card}


@pytest.fixture(scope="module", params=CARDS)
def weights(request) -> Path:
    return TINY / "weights" / f"{request.param}.nemo"


@pytest.fixture(scope="module")
def facts(weights) -> dict:
    return json.loads(weights.with_suffix(".json").read_text())


@pytest.fixture(scope="module")
def training(weights) -> tuple[dict, list[list[str]]]:
    """Who spoke in training, and what each recording said."""
    packed = weights.with_suffix(".train.jsonl.gz").read_bytes()
    first, *rest = map(json.loads, gzip.decompress(packed).decode().splitlines())
    return first, [entry["parts"] for entry in rest]


@pytest.fixture(scope="module")
def evaluation() -> list[dict]:
    """Every recording with words that either is measured on."""
    files = {file.stem: file for file in (TINY / "parakeet" / "eval").glob("*.jsonl")}
    sounds = files.pop(parakeet_card.SOUND_SET).read_text().splitlines()
    assert not any(json.loads(line)["text"] for line in sounds)
    assert set(files) == set(parakeet_card.SETS)
    return [json.loads(line) for file in files.values() for line in file.read_text().splitlines()]


def all_texts(recordings: list[list[str]]) -> set[str]:
    """Every utterance, and every recording as a whole."""
    whole = {" ".join(parts) for parts in recordings}
    return ({part for parts in recordings for part in parts} | whole) - {""}


def test_no_evaluation_transcript_was_in_training(training, evaluation):
    trained = all_texts(training[1])
    assert len(trained) > 5_000
    assert not trained & all_texts([item["parts"] for item in evaluation])


def test_no_evaluation_speaker_was_in_training(training, evaluation):
    speech = training[0]
    people = {item["speaker"] for item in evaluation} - {"synthetic"}
    assert people == {"yweweler"}
    assert not people & set(speech["speakers"])


def test_no_evaluation_voice_was_in_training(training):
    from tiny.speech.voices import HELD_OUT_VARIANTS

    assert not set(HELD_OUT_VARIANTS) & set(training[0]["variants"])


def test_every_evaluation_set_has_at_least_a_hundred_recordings(evaluation):
    sizes = Counter(item["id"].rsplit("-", 1)[0] for item in evaluation)
    assert set(sizes) == set(parakeet_card.SETS)
    assert min(sizes.values()) >= 100


def test_the_card_holds_the_figures_that_stand_beside_it(weights, facts):
    card = CARDS[weights.stem]
    assert weights.with_suffix(".md").read_text() == card.render_card(facts)
    assert set(card.AIMS) <= set(card.SETS) <= set(facts["evaluation"]["figures"])


def test_the_figures_are_of_these_weights(weights, facts):
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == facts["weights"]["sha256"]
    assert weights.stat().st_size == facts["weights"]["bytes"] <= 12_000_000


def test_files_are_small_enough_for_a_repository(weights):
    assert weights.with_suffix(".train.jsonl.gz").stat().st_size <= 500_000
    assert sum(file.stat().st_size for file in (TINY / "samples").iterdir()) <= 400_000
    assert sum(file.stat().st_size for file in (TINY / "data").iterdir()) <= 10_000_000


def test_the_samples_are_mostly_of_the_unseen_person_and_say_unseen_strings(training):
    samples = json.loads((TINY / "samples" / "samples.json").read_text())
    speakers = [sample["speaker"] for sample in samples]
    assert speakers[:8] == ["yweweler"] * 8
    assert set(speakers[8:]) == set(training[0]["speakers"])
    assert [sample["in_training"] for sample in samples] == [False] * 8 + [True] * 4
    assert all((TINY / "samples" / sample["file"]).exists() for sample in samples)
    texts = {sample["text"] for sample in samples}
    assert not texts & all_texts(training[1])
    assert all(map(grammar.is_held_out, texts))
