"""Live streams: how a model is fed them, and what the sessions at the ingress may cost."""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from serve_app.config.settings import Settings

_OF_THE_METHODS: Mapping[str, tuple[str, ...]] = {
    "cache_aware": ("att_context", "decoder"),
    "buffered": ("left_s", "chunk_s", "right_s"),
    "alignatt": ("left_s", "chunk_s", "right_s", "min_distance_frames"),
    "waitk": ("left_s", "chunk_s", "right_s", "lag"),
}
"""What each method reads; setting what another one reads is an error, not ignored."""


class StreamingConfig(Settings):
    """Makes a model one for live streams, each in a slot of one replica, all in one step."""

    method: Literal["cache_aware", "buffered", "alignatt", "waitk"] = "cache_aware"
    """`cache_aware` for checkpoints made for it, `buffered` for any other transducer, `alignatt`
    and `waitk` for Canary."""
    num_slots: PositiveInt = 32
    """Streams of one replica; with none free anywhere, callers hear "at capacity" at once."""
    att_context: tuple[NonNegativeInt, NonNegativeInt] | None = None
    """Of `cache_aware`: frames of 80 ms that the encoder sees before and after its own, one of the
    checkpoint's own list; the first of that list if not set. The second number is the look-ahead,
    and a step is one frame more than it."""
    decoder: Literal["rnnt", "ctc"] = "rnnt"
    """Of `cache_aware`, where the checkpoint has both."""
    left_s: PositiveFloat = 10.0
    """Audio before its chunk that each step sees again."""
    chunk_s: PositiveFloat | None = None
    """Audio that each step adds; if not set 2 s for `buffered`, 1 s for Canary."""
    right_s: NonNegativeFloat | None = None
    """Audio behind its chunk that a step waits for; if not set 2 s for `buffered`, 0.5 s for
    Canary."""
    min_distance_frames: PositiveInt = 4
    """Of `alignatt`: a token is said when the decoder looks at least so far from the end of what
    has been heard."""
    lag: PositiveInt = 2
    """Of `waitk`: chunks heard before the first token is said."""
    max_segment_s: float = Field(default=30.0, gt=0, le=60.0)
    """A segment that nothing else ends, ends here: its text is final and the model starts anew.
    From 80 % of it on it ends in a pause, if there is one."""
    stall_s: PositiveFloat = 10.0
    """A replica that owes a stream its step for so long is given up: its streams move."""
    cold_start_s: PositiveFloat = 120.0
    """How long a stream waits for the first replica where the model is scaled to zero."""

    @model_validator(mode="after")
    def _fits_its_method(self) -> Self:
        own = _OF_THE_METHODS[self.method]
        for name in sorted({name for names in _OF_THE_METHODS.values() for name in names}):
            if name not in own and getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"`{name}` has no meaning for the method {self.method!r}")
        return self


class StreamsConfig(Settings):
    """What one live stream may cost, and when it is taken to have ended something."""

    max_per_ingress: PositiveInt = 48
    """Streams of one ingress replica; one more hears "at capacity" at once. Voice activity takes
    1.4 % of a core for each, so these take two thirds of the one core that their loop has; the
    rest is for their packets and texts, and for recordings."""
    max_ahead_s: PositiveFloat = 10.0
    """Audio of one stream that may wait for its steps; while it does, no more is read."""
    idle_timeout_s: PositiveFloat = 30.0
    """A client that sends nothing for so long is told so and let go; as long as audio of it waits
    for its text, it is the client who waits."""
    min_pace: NonNegativeFloat = 0.05
    """Audio seconds per second that a client must send, on average over the waits for it of
    `idle_timeout_s`; one that trickles is told so and let go, as one that sends nothing."""
    max_stream_s: PositiveFloat = 4 * 3600.0
    """Audio of one stream in all."""
    silence_s: PositiveFloat = 0.8
    """Of no speech, after which a segment ends, where the client does not say otherwise."""
    blank_s: PositiveFloat = 3.0
    """Of speech in which the decoder finds no word, after which a segment ends, too: for noise
    that voice activity takes for speech. A decoder may be silent for a second between two words
    of one breath: less makes segments of single words, and each end costs up to a second of steps
    again."""
    vad_threshold: float = Field(default=0.5, gt=0, lt=1)
    """The probability from which a stretch of 32 ms is taken for speech."""
    voice_detector: Literal["silero", "loudness"] = "silero"
    """What tells speech from all else: Silero's model, 1.4 % of a core for each stream, or whatever
    is louder than −40 dBFS."""
    tick_s: PositiveFloat = 0.02
    """Frames of all streams between an ingress and a replica travel together, once in so long."""
