"""What any model tells of itself, and how one fails."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a loaded model can do; clients see it at `/v1/models`."""

    name: str
    kind: str
    languages: tuple[str, ...]
    """ISO 639-1 codes that it recognises; empty means that the checkpoint does not say."""
    word_times: bool = True
    """Of transcripts; translations have none."""
    device: str = "cpu"
    simulated: bool = False


class DeviceMemoryError(Exception):
    """A batch did not fit into the device's memory; a smaller one may."""


class ModelBrokenError(Exception):
    """The model of this replica answers nobody any more; that of another one may."""
