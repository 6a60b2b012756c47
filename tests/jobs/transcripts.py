"""Random requests and transcripts, with all that may stand in one."""

import random

from serve_app.models.protocols import RecognitionOptions
from serve_app.pipelines.transcription import TranscriptionRequest, Wording
from serve_app.transcript.types import Segment, StageTimes, Token, Transcript, Word

LETTERS = 'aé"\\\0\n\u2028日🎧 <&{}'


def random_text(choose: random.Random) -> str:
    return "".join(choose.choices(LETTERS, k=choose.randint(0, 12)))


def random_transcript(choose: random.Random) -> Transcript:
    return Transcript(
        segments=tuple(random_segment(choose) for _ in range(choose.randint(0, 4))),
        duration_s=choose.random() * 1e5,
        model=random_text(choose),
        language=choose.choice([None, "en", "de"]),
        spoken_language=choose.choice([None, "fr"]),
        stage_times=StageTimes(choose.random(), choose.random() * 1e-9, 0.0),
    )


def random_segment(choose: random.Random) -> Segment:
    words = tuple(
        Word(
            random_text(choose), choose.random(), choose.random() * 1e9, choose.choice([None, 0.3])
        )
        for _ in range(choose.randint(0, 4))
    )
    tokens = tuple(
        Token(random_text(choose), choose.choice([0.0, -1e-300, -12.5, float("-inf")]))
        for _ in range(choose.randint(0, 4))
    )
    return Segment(
        random_text(choose),
        choose.random(),
        choose.uniform(0, 1e6),
        words=choose.choice([None, words]),
        tokens=choose.choice([None, tokens]),
        language=choose.choice([None, "en"]),
        channel=choose.choice([None, 0, 1]),
        speaker=choose.choice([None, "A", "B"]),
    )


def random_request(choose: random.Random) -> TranscriptionRequest:
    options = RecognitionOptions(
        language=choose.choice([None, "en"]),
        target_language=choose.choice([None, "de"]),
        pnc=choose.random() < 0.5,
        word_times=choose.random() < 0.5,
        logprobs=choose.random() < 0.5,
        hotwords=tuple(random_text(choose) for _ in range(choose.randint(0, 3))),
    )
    return TranscriptionRequest(
        model=random_text(choose),
        options=options,
        channel=choose.choice(["mix", "split", 0, 3]),
        timeout_s=choose.random() * 1e4,
        diarizer=choose.choice([None, "sortformer"]),
        wording=Wording(choose.random() < 0.5, choose.random() < 0.5),
    )
