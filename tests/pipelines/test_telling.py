"""What a wire is told of the texts of a slot."""

from serve_app.models.protocols import StreamText
from serve_app.pipelines.streaming.events import Final, Partial
from serve_app.pipelines.streaming.telling import Position, Teller


def told(*texts: StreamText) -> list[Partial | Final | None]:
    teller = Teller(0.0)
    return [
        teller.tell(text, Position(1600 * index, 1600 * (index + 1), False), muted=False)
        for index, text in enumerate(texts)
    ]


def test_words_that_came_to_nothing_are_taken_back():
    partial, final = told(StreamText("", "one"), StreamText("", ended="blank"))
    assert isinstance(partial, Partial)
    assert partial.tentative == "one"
    assert isinstance(final, Final)
    assert final.segment.text == ""


def test_a_segment_of_nothing_is_nothing_to_tell():
    assert told(StreamText(""), StreamText("", ended="length")) == [None, None]
