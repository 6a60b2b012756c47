"""What the benchmark of long recordings found, and what follows from it by arithmetic."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loadtest.hours.chunks import Cuts
from loadtest.hours.comparison import CONTEXTS, Comparison, Context
from loadtest.hours.hearing import Whole
from loadtest.hours.memory import Held, MemorySample, held_by_group
from loadtest.hours.recording import Recording
from loadtest.hours.scaling import Scale
from loadtest.hours.sounds import Sound
from serve_app.wer import Errors

END_S = 600.0
"""The end of a recording: its last ten minutes; the beginning: its first."""


@dataclass(frozen=True, slots=True)
class InContext:
    """The utterances that fell alike."""

    num_utterances: int
    num_differing: int
    num_unsteady: int
    """That differ from themselves, when they are heard alone again."""
    difference: Errors


@dataclass(frozen=True, slots=True)
class Results:
    """One run."""

    config: str
    model: str
    seed: int
    recording: Recording
    whole: Whole
    parts_s: float
    """For all parts, one after the other as far as the server's callers are."""
    comparison: Comparison
    cuts: Cuts
    memory: Sequence[MemorySample]
    """While the whole was heard."""
    cpu_s: Mapping[str, float]
    """By group of processes, of the whole."""
    scaled_audio_s: float
    scales: Sequence[Scale]

    @property
    def audio_s(self) -> float:
        return self.recording.duration_s

    @property
    def held(self) -> Mapping[str, Held]:
        return held_by_group(self.memory)

    @property
    def cpu_s_per_audio_hour(self) -> Mapping[str, float]:
        """The largest first."""
        costs = {group: 3600 / self.audio_s * cpu_s for group, cpu_s in self.cpu_s.items()}
        return dict(sorted(costs.items(), key=lambda cost: -cost[1]))

    @property
    def in_context(self) -> Mapping[Context, InContext]:
        found = {}
        for context in CONTEXTS:
            heard = [each for each in self.comparison.heard if each.context == context]
            differing = [each for each in heard if not each.is_same]
            found[context] = InContext(
                len(heard),
                len(differing),
                sum(not each.is_steady for each in heard),
                sum((each.difference for each in differing), Errors()),
            )
        return found

    @property
    def strays(self) -> Mapping[Sound, int]:
        """Words heard where nobody spoke, by what was to be heard there."""
        return Counter(stray.sound for stray in self.comparison.strays)

    @property
    def sound_s(self) -> Mapping[Sound, float]:
        """Of the recording, between utterances."""
        found: Counter[Sound] = Counter()
        for gap in self.recording.gaps:
            found[gap.sound] += gap.end_s - gap.start_s  # type: ignore[assignment]
        return found
