"""The whole text so far: words that may change go when their segment comes to nothing."""

import pytest

from serve_app.ingress.sockets.transcription.said import Said
from serve_app.pipelines.streaming.events import Final, Finished, Partial
from serve_app.transcript.types import Segment


def final(text: str, end_s: float) -> Final:
    return Final(Segment(text, 0.0, end_s), ends_utterance=False, end_s=end_s)


@pytest.mark.parametrize("ending", [final("", 3.0), Finished(3.0)], ids=["final", "finished"])
def test_an_end_without_text_takes_tentative_words_back(ending) -> None:
    said = Said()
    said.hear(final("so far", 1.0))
    assert said.hear(Partial("", "and", 1.0, 2.0))
    assert said.text == "so far and"
    assert said.hear(ending), "it is a change, and told"
    assert (said.confirmed, said.tentative, said.text) == ("so far", "", "so far")


def test_what_comes_behind_a_segment_without_text_is_joined_to_what_was_before_it() -> None:
    said = Said()
    for event in (final("one", 1.0), Partial("", "x", 1.0, 2.0), final("", 3.0)):
        said.hear(event)
    said.hear(Partial("two", "", 3.0, 4.0))
    assert said.text == "one two"
