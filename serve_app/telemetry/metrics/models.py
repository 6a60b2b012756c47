"""The models: batches of chunks, steps of live streams, and sentences that are spoken."""

from ray.util.metrics import Counter

from serve_app.telemetry.metrics.declaring import (
    AUDIO_SECONDS,
    BATCH_SIZES,
    RATIOS,
    SECONDS,
    STEP_SECONDS,
    counter,
    gauge,
    histogram,
)


def _busy_s() -> Counter:
    return counter(
        "chorus_model_busy_seconds", "Time that models have worked, in seconds.", "model"
    )


class RecognizerMetrics:
    """What one replica of a model for recordings did."""

    def __init__(self, model: str) -> None:
        self.batch_size = histogram(
            "chorus_batch_size", "Chunks in one run of the model.", BATCH_SIZES, "model"
        )
        self.batch_audio_s = histogram(
            "chorus_batch_audio_seconds", "Audio in one run of the model.", AUDIO_SECONDS, "model"
        )
        self.fill = histogram(
            "chorus_batch_fill_ratio",
            "Of what one batch may hold, in padded audio or in rows, the part that was used.",
            RATIOS,
            "model",
        )
        self.model_audio_s = counter(
            "chorus_model_audio_seconds",
            "Audio that the model worked on, without padding, in seconds.",
            "model",
        )
        self.padded_s = counter(
            "chorus_batch_padded_seconds",
            "Audio and padding that the model worked on, in seconds.",
            "model",
        )
        self.model_s = histogram("chorus_model_seconds", "One run of the model.", SECONDS, "model")
        self.busy_s = _busy_s()
        self.waiting_audio_s = gauge(
            "chorus_waiting_audio_seconds", "Audio that no batch has taken yet.", "model"
        )
        self.waiting_chunks = gauge(
            "chorus_waiting_chunks", "Chunks that no batch has taken yet.", "model"
        )
        for metric in vars(self).values():
            metric.set_default_tags({"model": model})

    def ran(
        self, *, num_chunks: int, audio_s: float, padded_s: float, model_s: float, fill: float
    ) -> None:
        """One run of the model."""
        self.batch_size.observe(num_chunks)
        self.batch_audio_s.observe(audio_s)
        self.fill.observe(fill)
        self.model_s.observe(model_s)
        for counted, amount in (
            (self.model_audio_s, audio_s),
            (self.padded_s, padded_s),
            (self.busy_s, model_s),
        ):
            if amount > 0:
                counted.inc(amount)


class StreamingMetrics:
    """What one replica of a streaming model did."""

    def __init__(self, model: str) -> None:
        self.slots = gauge("chorus_slots", "Streams that the replica can hold.", "model")
        self.slots_in_use = gauge("chorus_slots_in_use", "Streams that the replica holds.", "model")
        self.refused = counter(
            "chorus_streams_refused",
            "Times that a stream found no slot free in any replica.",
            "model",
        )
        self.step_s = histogram(
            "chorus_step_seconds", "One step of the model.", STEP_SECONDS, "model"
        )
        self.step_wait_s = histogram(
            "chorus_step_wait_seconds",
            "From a frame's turn until its step began: the longest of each step.",
            STEP_SECONDS,
            "model",
        )
        self.step_streams = histogram(
            "chorus_step_streams", "Streams in one step of the model.", BATCH_SIZES, "model"
        )
        self.busy_s = _busy_s()
        for metric in vars(self).values():
            metric.set_default_tags({"model": model})


class SynthesizerMetrics:
    """What one replica of a synthesizer did."""

    def __init__(self, model: str) -> None:
        self.speech_s = counter(
            "chorus_speech_seconds", "Speech that was made, in seconds.", "model"
        )
        self.characters = counter(
            "chorus_speech_characters", "Characters of the texts that were spoken.", "model"
        )
        self.sentence_s = histogram(
            "chorus_sentence_seconds", "One sentence, from text to sound.", STEP_SECONDS, "model"
        )
        self.wait_s = histogram(
            "chorus_sentence_wait_seconds", "Until a sentence had its turn.", STEP_SECONDS, "model"
        )
        self.waiting = gauge(
            "chorus_waiting_sentences", "Sentences that wait for their turn.", "model"
        )
        self.busy_s = _busy_s()
        for metric in vars(self).values():
            metric.set_default_tags({"model": model})

    def spoke(self, *, num_chars: int, speech_s: float, wait_s: float, work_s: float) -> None:
        """One sentence."""
        self.sentence_s.observe(work_s)
        self.wait_s.observe(wait_s)
        for counted, amount in (
            (self.speech_s, speech_s),
            (self.characters, num_chars),
            (self.busy_s, work_s),
        ):
            if amount > 0:
                counted.inc(amount)
