"""The published checkpoints of the Parakeet and Canary families: what each can do, and its licence.

A table and nothing else, so that the configuration can default from it. Figures stand as the model
cards and file lists on the hub give them; what neither says is None, never an estimate.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["parakeet", "canary"]
Decoder: TypeAlias = Literal["TDT", "RNNT", "CTC", "TDT and CTC", "RNNT and CTC", "attention"]
Precision: TypeAlias = Literal["float32", "float16", "bfloat16"]

HUB = "nvidia/"
"""Whose checkpoints these are; what follows is the name here."""

CC_BY = "CC-BY-4.0"
CC_BY_NC = "CC-BY-NC-4.0"
NVIDIA_OPEN = "NVIDIA Open Model License"
OPEN_MDW = "OpenMDW-1.1"

_LICENCE_PAGES: Mapping[str, str] = {
    CC_BY: "https://creativecommons.org/licenses/by/4.0/",
    CC_BY_NC: "https://creativecommons.org/licenses/by-nc/4.0/",
}
_BYTES_PER_WEIGHT: Mapping[Precision, int] = {"float32": 4, "float16": 2, "bfloat16": 2}

_FOUR = ("en", "de", "fr", "es")
_EUROPEAN = (
    "en", "bg", "hr", "cs", "da", "nl", "et", "fi", "fr", "de", "el", "hu", "it",
    "lv", "lt", "mt", "pl", "pt", "ro", "sk", "sl", "es", "sv", "ru", "uk",
)  # fmt: skip
_FORTY_LOCALES = (
    *("en", "es", "de", "fr", "it", "ar", "ja", "ko", "pt", "ru", "hi", "zh", "vi", "he", "nl"),
    *("cs", "da", "pl", "no", "sv", "th", "tr", "bg", "el", "et", "fi", "hr", "hu", "lt", "lv"),
    *("ro", "sk", "uk", "mt", "sl"),
)
_WITH_SUNO = "NVIDIA NeMo and Suno.ai"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One published set of weights."""

    name: str
    """Behind `nvidia/` on the hub."""
    kind: Kind
    decoder: Decoder
    languages: tuple[str, ...]
    """ISO 639-1."""
    licence: str
    num_parameters: int
    """As its card rounds it."""
    file_bytes: int | None = None
    """The `.nemo` file, as the hub lists it; None where that was not to be seen."""
    load_memory_bytes: int | None = None
    """What its card says a GPU must have to load it; None where it says nothing."""
    pivot_language: str | None = None
    """It translates from this language to its others, and back."""
    is_streaming: bool = False
    """Cache-aware: made to be fed a stream frame by frame."""
    is_served: bool = True
    """False where this server knows the checkpoint and cannot run it."""
    developers: str = "NVIDIA"

    @property
    def hub_name(self) -> str:
        return HUB + self.name

    @property
    def tasks(self) -> tuple[str, ...]:
        return ("transcribe", "translate") if self.pivot_language else ("transcribe",)

    @property
    def attribution(self) -> str:
        """What users must be shown where the licence is a Creative Commons one; good for all."""
        page = _LICENCE_PAGES.get(self.licence)
        licence = f"{self.licence} ({page})" if page else self.licence
        return (
            f"{self.name} by {self.developers}, https://huggingface.co/{self.hub_name}, {licence}"
        )

    def weights_bytes(self, precision: Precision) -> int:
        """What the weights alone take on the device: parameters × bytes. Batches come on top."""
        return self.num_parameters * _BYTES_PER_WEIGHT[precision]


def is_non_commercial(licence: str | None) -> bool:
    return licence is not None and "-NC" in licence.upper()


def find(checkpoint: str | None) -> Checkpoint | None:
    """The entry of a hub name; None for a path, another owner's name, or one not known."""
    if checkpoint is None or not checkpoint.startswith(HUB):
        return None
    return CATALOGUE.get(checkpoint.removeprefix(HUB))


_MB, _GB = 10**6, 10**9

_ENTRIES = (
    Checkpoint(
        "canary-1b", "canary", "attention", _FOUR, CC_BY_NC, 1000 * _MB,
        file_bytes=4070 * _MB, pivot_language="en",
    ),
    Checkpoint(
        "canary-1b-flash", "canary", "attention", _FOUR, CC_BY, 883 * _MB,
        file_bytes=3540 * _MB, pivot_language="en",
    ),
    Checkpoint(
        "canary-180m-flash", "canary", "attention", _FOUR, CC_BY, 182 * _MB,
        file_bytes=737 * _MB, pivot_language="en",
    ),
    Checkpoint(
        "canary-1b-v2", "canary", "attention", _EUROPEAN, CC_BY, 978 * _MB, pivot_language="en"
    ),
    Checkpoint(
        "parakeet-tdt-0.6b-v2", "parakeet", "TDT", ("en",), CC_BY, 600 * _MB,
        load_memory_bytes=2 * _GB,
    ),
    Checkpoint(
        "parakeet-tdt-0.6b-v3", "parakeet", "TDT", _EUROPEAN, CC_BY, 600 * _MB,
        load_memory_bytes=2 * _GB,
    ),
    Checkpoint(
        "parakeet-tdt-1.1b", "parakeet", "TDT", ("en",), CC_BY, 1100 * _MB,
        file_bytes=4280 * _MB, developers=_WITH_SUNO,
    ),
    Checkpoint(
        "parakeet-rnnt-1.1b", "parakeet", "RNNT", ("en",), CC_BY, 1100 * _MB,
        file_bytes=4280 * _MB, developers=_WITH_SUNO,
    ),
    Checkpoint(
        "parakeet-ctc-1.1b", "parakeet", "CTC", ("en",), CC_BY, 1100 * _MB,
        file_bytes=4250 * _MB, developers=_WITH_SUNO,
    ),
    Checkpoint(
        "parakeet-tdt_ctc-110m", "parakeet", "TDT and CTC", ("en",), CC_BY, 114 * _MB,
        file_bytes=459 * _MB, developers=_WITH_SUNO,
    ),
    Checkpoint(
        "stt_en_fastconformer_hybrid_large_streaming_multi", "parakeet", "RNNT and CTC", ("en",),
        CC_BY, 114 * _MB, file_bytes=460 * _MB, is_streaming=True,
    ),
    Checkpoint(
        "nemotron-speech-streaming-en-0.6b", "parakeet", "RNNT", ("en",), NVIDIA_OPEN, 600 * _MB,
        is_streaming=True,
    ),
    Checkpoint(
        "parakeet_realtime_eou_120m-v1", "parakeet", "RNNT", ("en",), NVIDIA_OPEN, 120 * _MB,
        is_streaming=True,
    ),
    # Its encoder wants the language as a prompt, which no transducer before it did.
    Checkpoint(
        "nemotron-3.5-asr-streaming-0.6b", "parakeet", "RNNT", _FORTY_LOCALES, OPEN_MDW, 600 * _MB,
        is_streaming=True, is_served=False,
    ),
)  # fmt: skip

CATALOGUE: Mapping[str, Checkpoint] = {entry.name: entry for entry in _ENTRIES}
"""By name, without `nvidia/`."""
