"""How much each point measures, whole and quick, and what all points have in hand."""

from dataclasses import dataclass, field
from pathlib import Path

from loadtest.bench.engines.arena import Arena
from loadtest.bench.findings import Told
from loadtest.bench.server import model_of
from serve_app.config import ModelConfig
from serve_app.models.loader import PROJECT_ROOT

SIMULATED = PROJECT_ROOT / "configs/simulated.yaml"
TINY = PROJECT_ROOT / "configs/tiny.yaml"


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes. Seconds are of measuring, behind what each point takes to settle."""

    repetitions: int = 3
    num_clips: int = 192
    """Of real people, for the engines that hear."""
    midsize_audio_s: float = 400.0
    """Through the mid-size model, each arm."""
    dilation: float = 20.0
    """Of the H200-like curve: some 400 audio seconds a second."""
    simulated_clips: int = 512
    """So many that sorting them all leaves hardly any padding."""
    callers: int = 960
    """So many that a queue stands in front of the dilated engine: what it works on in a second at
    full speed, and a third more."""
    steady_s: float = 60.0
    """Of the dilated engine, which takes 20 s for what it sorts at a time."""
    rival_repetitions: int = 2
    rival_s: float = 40.0
    """Of each number of callers of each rival."""
    graph_requests: int = 400
    graph_callers: int = 32
    profile_s: int = 10
    stream_bound: int = 32
    """Streams whose fused step takes exactly the audio's time."""
    stream_s: float = 20.0
    stream_repetitions: int = 2
    idle_s: float = 10.0
    """How long a server that nobody asks is watched."""
    codec_s: float = 20.0
    cost_requests: int = 250
    overload_repetitions: int = 3
    overload_settle_s: float = 5.0
    overload_measure_s: float = 12.0


FULL = Plan()
QUICK = Plan(
    repetitions=1,
    num_clips=48,
    midsize_audio_s=90.0,
    simulated_clips=160,
    callers=480,
    steady_s=20.0,
    rival_repetitions=1,
    rival_s=20.0,
    graph_requests=80,
    profile_s=4,
    stream_bound=16,
    stream_s=6.0,
    stream_repetitions=1,
    idle_s=4.0,
    codec_s=10.0,
    cost_requests=60,
    overload_repetitions=1,
    overload_settle_s=2.0,
    overload_measure_s=5.0,
)


@dataclass(frozen=True, slots=True)
class Bench:
    """What every point is given."""

    plan: Plan
    arena: Arena
    told: Told
    simulated: ModelConfig = field(default_factory=lambda: model_of(SIMULATED, None))
    simulated_config: Path = SIMULATED
