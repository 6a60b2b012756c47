"""Telling speakers apart: how a model does it for recordings, and what counts as a turn."""

from typing import Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from serve_app.config.settings import Settings


class DiarizationConfig(Settings):
    """Makes a model one that tells speakers apart. It writes no text."""

    max_recordings: PositiveInt = 64
    """Recordings of one replica at a time; one more hears "at capacity" at once. Each costs about
    a megabyte on the device; the model takes their audio in turn."""
    idle_timeout_s: PositiveFloat = 600.0
    """A recording of which nothing more came for so long is forgotten. It fails as when a replica
    dies, and may be sent again."""
    onset: float = Field(default=0.5, gt=0, lt=1)
    """A turn begins in the frame in which a speaker's probability reaches this."""
    offset: float = Field(default=0.4, gt=0, lt=1)
    """It ends in the frame in which the probability is below this."""
    min_turn_s: float = Field(default=0.24, ge=0, le=1)
    """Shorter turns are taken for none: three frames."""
    min_pause_s: float = Field(default=0.24, ge=0, le=1)
    """A speaker who goes on sooner has not paused."""

    @model_validator(mode="after")
    def _ends_below_its_onset(self) -> Self:
        if self.offset > self.onset:
            raise ValueError("`offset` is above `onset`: turns would end where they begin")
        return self
