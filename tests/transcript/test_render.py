import json
import math

from serve_app.transcript import render
from serve_app.transcript.types import Segment, Token, Transcript, Word

WORDS = (Word("Zero", 0.08, 0.4, 0.97), Word("one.", 0.48, 0.8))
TOKENS = (Token("▁Zero", -0.1), Token("▁one.", -0.3))
TRANSCRIPT = Transcript(
    segments=(
        Segment("Zero one.", 0.08, 0.8, WORDS, TOKENS, "en"),
        Segment("Two.", 2.0, 2.40004, (Word("Two.", 2.0, 2.40004),), (), "en"),
    ),
    duration_s=3.25,
    model="tiny",
    language="en",
)


def test_text_ends_in_a_line_end() -> None:
    assert render.text(TRANSCRIPT) == "Zero one. Two.\n"


def test_json_has_text_usage_and_language() -> None:
    assert render.openai_json(TRANSCRIPT) == {
        "text": "Zero one. Two.",
        "usage": {"type": "duration", "seconds": 3.25},
        "languages": [{"code": "en"}],
    }


def test_logprobs_carry_bytes_and_no_infinity() -> None:
    tokens = (Token("ß", -math.inf), Token("a", -0.5))
    assert render.token_logprobs(tokens) == [
        {"token": "ß", "bytes": [0xC3, 0x9F], "logprob": -9999.0},
        {"token": "a", "bytes": [97], "logprob": -0.5},
    ]


def test_verbose_json_has_every_field_of_a_segment() -> None:
    body = render.openai_verbose_json(TRANSCRIPT, granularities={"segment", "word"})
    names = "task language spoken_language duration text usage segments words"
    assert set(body) == set(names.split())
    assert (body["task"], body["language"], body["duration"]) == ("transcribe", "english", 3.25)
    first, second = json.loads(json.dumps(body["segments"]))
    assert first == {
        "id": 0,
        "seek": 8,
        "start": 0.08,
        "end": 0.8,
        "text": "Zero one.",
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": -0.2,
        "compression_ratio": render.compression_ratio("Zero one."),
        "no_speech_prob": None,
    }
    assert (second["id"], second["end"], second["avg_logprob"]) == (1, 2.4, None)


def test_words_carry_a_confidence_only_where_there_is_one() -> None:
    body = render.openai_verbose_json(TRANSCRIPT, granularities={"word"})
    assert "segments" not in body
    assert body["words"] == [
        {"word": "Zero", "start": 0.08, "end": 0.4, "confidence": 0.97},
        {"word": "one.", "start": 0.48, "end": 0.8},
        {"word": "Two.", "start": 2.0, "end": 2.4},
    ]


def test_what_is_unknown_is_null() -> None:
    unknown = Transcript((Segment("hi", 0.0, 1.0),), 1.0, "tiny")
    body = render.openai_verbose_json(unknown, granularities={"segment", "word"})
    assert (body["language"], body["words"]) == (None, None)
    assert "languages" not in render.openai_json(unknown)


def test_a_segment_without_times_costs_the_others_none_of_their_words() -> None:
    segments = (TRANSCRIPT.segments[0], Segment("two three.", 1.0, 2.0))
    body = render.openai_verbose_json(Transcript(segments, 3.0, "tiny"), granularities={"word"})
    assert [word["word"] for word in body["words"]] == ["Zero", "one."]
    assert body["text"] == "Zero one. two three."


def test_repeated_text_compresses_well() -> None:
    assert render.compression_ratio("") == 0
    assert render.compression_ratio("hello " * 100) > 2.4 > render.compression_ratio("hello there")


def test_plain_json_may_leave_the_segments_out() -> None:
    assert render.plain_json(TRANSCRIPT) == {
        "text": "Zero one. Two.",
        "segments": [
            {"start": 0.08, "end": 0.8, "text": "Zero one."},
            {"start": 2.0, "end": 2.4, "text": "Two."},
        ],
        "language": "en",
        "spoken_language": None,
    }
    assert render.plain_json(TRANSCRIPT, segments=False)["segments"] == []


def test_text_has_a_line_for_each_turn_of_a_voice() -> None:
    segments = (
        Segment("Hello.", 0.0, 1.0, speaker="A"),
        Segment("", 1.0, 1.1, speaker="B"),
        Segment("Who is there?", 1.1, 2.0, speaker="A"),
        Segment("Me.", 2.0, 3.0, channel=1),
    )
    assert render.text(Transcript(segments, 3.0, "tiny")) == (
        "[Speaker A] Hello. Who is there?\n[Channel 1] Me.\n"
    )


def test_verbose_segments_tell_voices_where_they_were_told_apart() -> None:
    both = render.openai_segment(0, Segment("Hi.", 0.0, 1.0, channel=0, speaker="A"))
    neither = render.openai_segment(0, Segment("Hi.", 0.0, 1.0))
    assert (both["channel"], both["speaker"]) == (0, "A")
    assert set(both) - set(neither) == {"channel", "speaker"}
