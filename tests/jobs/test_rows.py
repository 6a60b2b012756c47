"""Requests and transcripts come back as they were, whichever version wrote them."""

import json
import random

import pytest
from pydantic import ValidationError

from serve_app.jobs.store.rows import (
    request_from_json,
    request_to_json,
    transcript_from_json,
    transcript_to_json,
)
from tests.jobs.transcripts import random_request, random_transcript


@pytest.mark.parametrize("seed", range(5))
def test_random_transcripts_come_back_as_they_were(seed: int) -> None:
    choose = random.Random(seed)
    for _ in range(200):
        transcript = random_transcript(choose)
        text = transcript_to_json(transcript)
        assert transcript_from_json(text) == transcript
        assert text.isascii()
        assert "\0" not in text


@pytest.mark.parametrize("seed", range(5))
def test_random_requests_come_back_as_they_were(seed: int) -> None:
    choose = random.Random(seed)
    for _ in range(200):
        request = random_request(choose)
        back = request_from_json(request_to_json(request))
        assert back == request
        assert type(back.channel) is type(request.channel)
        assert hash(back) == hash(request)


def test_what_a_later_version_adds_is_skipped_and_what_an_earlier_lacked_has_its_default() -> None:
    request = random_request(random.Random(1))
    values = json.loads(request_to_json(request))
    values["later"] = {"a": 1}
    values["options"]["later"] = 2
    del values["wording"]
    back = request_from_json(json.dumps(values))
    assert back.options == request.options
    assert back.wording == type(request.wording)()


def test_what_is_no_request_is_refused() -> None:
    with pytest.raises(ValidationError):
        request_from_json('{"model": "tiny"}')
