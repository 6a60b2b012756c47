"""PCM of any lengths in; frames of one step each, and the turns of speech, out in their order.

Frames are cut by sample position from the last end that was asked for. Where voice activity is
watched, they are cut from where speech begins, and the frame in which the silence behind it is cut
is the last of its segment; what lies between does not leave: models hear words in the noise of an
empty room. So what leaves depends on the audio alone, never on the packets that brought it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from serve_app.audio.voice import (
    Detector,
    SpeechEnd,
    SpeechOnset,
    VoiceActivity,
    VoiceWatch,
)
from serve_app.audio.waveform import BYTES_PER_SAMPLE, WINDOW
from serve_app.pipelines.streaming.host import SlotFrame


@dataclass(frozen=True, slots=True)
class CutFrame:
    """A frame, and where in the stream it lies."""

    frame: SlotFrame
    start_sample: int
    end_sample: int


@dataclass(frozen=True, slots=True)
class VoiceTurn:
    """Speech that began, or ended."""

    is_speech: bool
    at_sample: int


Cut: TypeAlias = CutFrame | VoiceTurn


class Cutter:
    """What has been fed and has not left in a frame yet: less than a step, and where voice activity
    is watched, also what may be of the next utterance."""

    def __init__(
        self,
        step_samples: int,
        voice_activity: VoiceActivity | None,
        new_detector: Callable[[], Detector],
    ) -> None:
        self._step_samples = step_samples
        self._pcm = bytearray()
        self._start = 0
        """Where `_pcm` begins in the stream."""
        self._utterance_start = 0
        self._new_detector = new_detector
        self._asked = voice_activity
        self._watch: VoiceWatch | None = None
        self._watch_start = 0
        self._detector: Detector | None = None
        self._watch_as_asked()

    @property
    def num_samples(self) -> int:
        """Taken so far, of the whole stream."""
        return self._start + len(self._pcm) // BYTES_PER_SAMPLE

    @property
    def start_sample(self) -> int:
        """Where in the stream what has not left begins; what was before is not needed again. In a
        silence, where a window begins: a stream that is resumed there looks at the same ones."""
        if self._watch is None:
            return self._start
        return self._watch_start + (self._start - self._watch_start) // WINDOW * WINDOW

    @property
    def has_utterance(self) -> bool:
        """Whether anything was taken since the last end of an utterance, or spoken in it."""
        if self._watch is not None:
            return self._watch.is_speech
        return self.num_samples > self._utterance_start

    def configure(self, voice_activity: VoiceActivity | None) -> None:
        """Watch for other voice activity from the next utterance on."""
        self._asked = voice_activity
        if not self.has_utterance:
            self._drop(self.num_samples)
            self._utterance_start = self.num_samples
            self._watch_as_asked()

    def push(self, pcm: bytes | memoryview) -> Iterator[Cut]:
        """Take `pcm` as far as the iterator is drawn."""
        rest = memoryview(pcm)
        while rest:
            num_bytes = min(len(rest), self._samples_to_next() * BYTES_PER_SAMPLE)
            piece, rest = rest[:num_bytes], rest[num_bytes:]
            self._pcm += piece
            match self._watch.push(piece) if self._watch is not None else None:
                case SpeechOnset(at_sample, start_sample):
                    self._drop(self._watch_start + start_sample)
                    yield VoiceTurn(True, self._watch_start + at_sample)
                case SpeechEnd(at_sample, cut_sample):
                    yield VoiceTurn(False, self._watch_start + at_sample)
                    yield from self._end_at(self._watch_start + cut_sample)
            if self._watch is not None and not self._watch.is_speech:
                self._drop(self._num_settled())
            else:
                yield from self._whole_frames(self._num_settled())

    def end(self) -> Iterator[CutFrame]:
        """All that is left, perhaps nothing; the last frame is the last of its segment."""
        if self._watch is not None and not self._watch.is_speech:
            self._drop(self.num_samples)
        for cut in self._end_at(self.num_samples):
            assert isinstance(cut, CutFrame), "nothing is left to hear"
            yield cut

    def close(self) -> None:
        """Nothing is pushed any more; may be called again."""
        if self._detector is not None:
            self._detector.close()
        self._watch = self._detector = self._asked = None

    def _samples_to_next(self) -> int:
        """To the next position at which anything may leave."""
        in_frame = (self.num_samples - self._start) % self._step_samples
        to_next = self._step_samples - in_frame
        return to_next if self._watch is None else min(to_next, self._watch.samples_to_next)

    def _num_settled(self) -> int:
        if self._watch is None:
            return self.num_samples
        return self._watch_start + self._watch.num_settled

    def _end_at(self, sample: int) -> Iterator[Cut]:
        """End the utterance, and hear what is left behind its end as of the next one."""
        yield from self._whole_frames(sample)
        last = self._take(sample - self._start, is_last=True)
        self._utterance_start = sample
        rest = bytes(self._pcm)
        self._pcm.clear()
        self._watch_as_asked()
        yield last
        yield from self.push(rest)

    def _whole_frames(self, until: int) -> Iterator[CutFrame]:
        while self._start + self._step_samples <= until:
            yield self._take(self._step_samples, is_last=False)

    def _take(self, num_samples: int, *, is_last: bool) -> CutFrame:
        start = self._start
        frame = SlotFrame(bytes(self._pcm[: num_samples * BYTES_PER_SAMPLE]), is_last)
        self._drop(start + num_samples)
        return CutFrame(frame, start, self._start)

    def _drop(self, until: int) -> None:
        """Forget what lies before a sample; what has left is not there any more."""
        num_samples = max(0, until - self._start)
        del self._pcm[: num_samples * BYTES_PER_SAMPLE]
        self._start += num_samples

    def _watch_as_asked(self) -> None:
        if self._asked is None:
            self.close()
            return
        if self._detector is None:
            self._detector = self._new_detector()
        self._detector.reset()
        self._watch = VoiceWatch(self._asked, self._detector)
        self._watch_start = self._start
