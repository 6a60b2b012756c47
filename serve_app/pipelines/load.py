"""What the graph has to do and how fast it does it: measured behind, weighed at the ingress."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelLoad:
    """What one preprocessor replica has under way for one model."""

    model: str
    num_recordings: int
    remaining_audio_s: float
    """Of them, as far as known; before a recording is decoded it is what its header says."""
    audio_s_per_s: float | None
    """How fast it goes where more waits than one batch holds; None before that was measured."""


@dataclass(frozen=True, slots=True)
class Load:
    """One preprocessor replica, all models."""

    replica: str
    models: tuple[ModelLoad, ...] = ()
