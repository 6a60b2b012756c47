"""Recordings, from their bytes to their transcripts, as a preprocessor sees them."""

from serve_app.telemetry.metrics.declaring import SECONDS, counter, gauge, histogram


class PreprocessorMetrics:
    """What one preprocessor replica did, and has to do."""

    def __init__(self) -> None:
        self.audio_s = counter("chorus_audio_seconds", "Audio transcribed, in seconds.", "model")
        self.whole_s = histogram(
            "chorus_recording_seconds", "From its bytes to its transcript.", SECONDS, "model"
        )
        self.decode_s = histogram(
            "chorus_decode_seconds", "Decoding of one recording, waiting included.", SECONDS
        )
        self.queue_s = histogram(
            "chorus_queue_seconds",
            "One chunk, from when it was whole until its batch began.",
            SECONDS,
            "model",
        )
        self.merge_s = histogram(
            "chorus_merge_seconds",
            "From when a recording was decoded and recognised to its transcript.",
            SECONDS,
            "model",
        )
        self.retries = counter(
            "chorus_chunk_retries", "Chunks sent again after a replica was lost.", "model"
        )
        self.recordings = gauge(
            "chorus_recordings_under_way", "Recordings that have no transcript yet.", "model"
        )
        self.remaining_s = gauge(
            "chorus_remaining_audio_seconds",
            "Audio of recordings under way that no hypothesis covers yet, by their headers.",
            "model",
        )
        self.held_back_chunks = gauge(
            "chorus_held_back_chunks",
            "Chunks that wait here, since the replicas hold all that they may.",
            "model",
        )
        self.held_back_s = gauge(
            "chorus_held_back_audio_seconds", "The audio of these chunks.", "model"
        )

    def tell_work(
        self,
        model: str,
        *,
        num_recordings: int,
        remaining_s: float,
        num_held_back: int,
        held_back_s: float,
    ) -> None:
        """Of one model, now."""
        tags = {"model": model}
        self.recordings.set(num_recordings, tags=tags)
        self.remaining_s.set(remaining_s, tags=tags)
        self.held_back_chunks.set(num_held_back, tags=tags)
        self.held_back_s.set(held_back_s, tags=tags)


class DecoderMetrics:
    """Its decoders."""

    def __init__(self) -> None:
        self.decoders = gauge("chorus_decoders", "Decoder processes that are alive.")
        self.decoders_busy = gauge("chorus_decoders_busy", "Those of them at work.")
        self.decoders_waited_for = gauge(
            "chorus_decoders_waited_for", "Recordings that wait for a decoder."
        )
        self.decoder_losses = counter(
            "chorus_decoder_losses", "Decoders that have ended and were replaced."
        )
        self._num_lost = 0

    def tell(self, *, num: int, num_busy: int, num_waited_for: int, num_lost: int) -> None:
        """Now; `num_lost` since the replica began."""
        self.decoders.set(num)
        self.decoders_busy.set(num_busy)
        self.decoders_waited_for.set(num_waited_for)
        if num_lost > self._num_lost:
            self.decoder_losses.inc(num_lost - self._num_lost)
            self._num_lost = num_lost
