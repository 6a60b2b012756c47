"""A simulated model in, one that is so many times as slow out.

One machine cannot feed an H200, so its curve is stretched until the engine is what is full. All
ratios of lengths, batches and costs stay what they are; only the server's own cost shrinks beside
them, which is why that is measured in CPU seconds (points 4 and 6).
"""

from loadtest.bench.load import BenchError
from serve_app.config import BatchConfig, ModelConfig, SimulatedConfig

H200 = SimulatedConfig(fixed_s=0.014, per_audio_s=85e-6)
"""The curve of a 0.6 B transducer there, as the project takes it; never measured by it."""


def dilated(model: ModelConfig, factor: float) -> ModelConfig:
    """
    Raises:
        BenchError: it is no simulated model, whose speed can be chosen.
    """
    if factor == 1.0:
        return model
    cost = model.simulated
    batch = model.batch.model_copy(update={"window_s": model.batch.window_s * factor})
    return with_cost(
        model.model_copy(update={"batch": batch}),
        SimulatedConfig(fixed_s=cost.fixed_s * factor, per_audio_s=cost.per_audio_s * factor),
    )


def with_cost(model: ModelConfig, cost: SimulatedConfig) -> ModelConfig:
    """
    Raises:
        BenchError: it is no simulated model, whose speed can be chosen.
    """
    if model.kind != "simulated":
        raise BenchError("only a simulated engine's speed can be chosen")
    return model.model_copy(update={"simulated": cost})


def batch_s(cost: SimulatedConfig, padded_s: float) -> float:
    """What one batch takes."""
    return cost.fixed_s + cost.per_audio_s * padded_s


def full_rate(cost: SimulatedConfig, batch: BatchConfig) -> float:
    """Padded seconds per second in batches that fill their budget: the most that there can be."""
    return batch.max_batch_audio_s / batch_s(cost, batch.max_batch_audio_s)
