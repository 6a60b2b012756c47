"""Where a stream can be taken up again, on any ingress, as a token; nothing is stored anywhere.

A client that asks for tokens hears one at the start, behind each segment that has become final and
every few seconds of a silence, with `resume_s`, how far the stream is final there. It keeps the
text that it had with the newest token, and the audio from `resume_s` on, which is little: a segment
ends after 30 s at the latest.
When its socket goes, for whatever reason, it opens another with the token, sends the kept audio
again and goes on. Times count from the start of the first stream; the text begins anew behind the
kept one. What was final is not said again, and the rest is heard as if nothing had happened: a
segment begins where the token stands, and what a segment says depends on its audio alone.

A token says where in the audio it stands and what was asked for. It is not signed: who forges one
gets what anybody may have who opens a new stream.
"""

import base64
import json
from dataclasses import dataclass

from serve_app.audio.waveform import SAMPLE_RATE_HZ
from serve_app.errors import AudioTooLongError, InvalidOptionError

_PREFIX = "r1."
_MAX_CHARACTERS = 1024
_MAX_SAMPLES = 1 << 53


@dataclass(frozen=True, slots=True)
class Resumption:
    """What a token says."""

    num_samples: int
    """At 16 kHz, from the start of the first stream."""
    fields: dict[str, str]
    """Of the query that the stream was opened with; what is asked anew goes before it."""

    @property
    def offset_s(self) -> float:
        return self.num_samples / SAMPLE_RATE_HZ

    def token(self) -> str:
        """Fit for a query as it is."""
        body = json.dumps([self.num_samples, self.fields], separators=(",", ":"))
        return _PREFIX + base64.urlsafe_b64encode(body.encode()).rstrip(b"=").decode()


def resumption_of(token: str, *, max_stream_s: float) -> Resumption:
    """
    Raises:
        InvalidOptionError: it is no token.
        AudioTooLongError: the stream has had all that one may have.
    """
    payload = token.removeprefix(_PREFIX)
    try:
        if payload == token or len(token) > _MAX_CHARACTERS:
            raise ValueError
        padded = payload + "=" * (-len(payload) % 4)
        num_samples, fields = json.loads(base64.b64decode(padded, b"-_", validate=True))
        is_text = all(isinstance(value, str) for value in fields.values())
        if type(num_samples) is not int or not 0 <= num_samples < _MAX_SAMPLES or not is_text:
            raise ValueError
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidOptionError("resume", "is no token of this server") from error
    resumption = Resumption(num_samples, fields)
    if num_samples / SAMPLE_RATE_HZ >= max_stream_s:
        too_long = AudioTooLongError(resumption.offset_s, max_stream_s)
        too_long.param = "resume"
        raise too_long
    return resumption
