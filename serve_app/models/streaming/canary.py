"""Canary on streams: a token is said as soon as what it is about has surely been heard.

Each step encodes the audio of the last seconds anew, and the decoder goes on from what it said of
them: by AlignAtt, until it looks at the last frames; by wait-k, for so many words as the audio that
was heard allows. Rows share the encoder's and the decoder's calls and nothing else, so streams of
any age, language and task go together (NeMo's own streaming moves its rows in lock-step).

When the audio is longer than the window, the oldest is forgotten together with the words that were
found in it; the sentence goes on with the rest in sight. To end the segment there instead would cut
through a word, and the next segment would begin with the other half of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from nemo.collections.asr.models import EncDecMultiTaskModel

from serve_app.audio.waveform import SAMPLE_RATE_HZ
from serve_app.config import ModelConfig
from serve_app.errors import ConfigError
from serve_app.models.offline.recognizer import device_name
from serve_app.models.offline.repetition import without_loops
from serve_app.models.prompts import Prompts
from serve_app.models.protocols import ModelInfo, StreamOptions
from serve_app.models.streaming.prefixes import PrefixDecoder
from serve_app.models.streaming.segments import (
    Said,
    Segment,
    SegmentRecognizer,
    joined,
    streaming_of,
)
from serve_app.models.streaming.windows import Window, as_batch, frames_in

_DEFAULT_CHUNK_S = 1.0
_DEFAULT_RIGHT_S = 0.5
_IDENTIFY_AFTER_S, _IDENTIFY_WITHIN_S = 1.5, 4.0
"""A language is not guessed from less audio, and not waited for longer."""
_BACK_FRAMES = 1
"""How far behind its place before AlignAtt lets the decoder look; by 0 a stream may get stuck."""
_WORDS_PER_S = 2.5
"""Of wait-k: what it says of a second. People say two to three."""
_TOKENS_PER_FRAME = 2
"""A step says no more; who speaks fast needs one in two frames of 80 ms."""
_MOST_EXTRA_TOKENS = 10
"""Of a window, beyond one for each of its frames; then the decoder has run away."""


@dataclass(slots=True, eq=False)
class CanarySegment(Segment):
    window: Window = field(default_factory=Window)
    language: str | None = None
    """Spoken; None until it is known."""
    closed: list[str] = field(default_factory=list)
    """Words that the decoder sees no more."""
    tokens: list[int] = field(default_factory=list)
    """Said of the window."""
    places: list[int] = field(default_factory=list)
    """The frame of the segment that each of them looked at."""
    num_told: int = 0
    """Words that were told as confirmed."""


@dataclass(slots=True, eq=False)
class _Row:
    segment: CanarySegment
    index: int
    """In the step's batch."""
    num_seen: int
    """Frames that the decoder may look at."""
    most: int
    """Tokens that the step may say."""
    is_forced: bool
    """Whether all is to be said now that can be."""


class CanaryStreamingRecognizer(SegmentRecognizer[CanarySegment]):
    """An attention encoder-decoder by AlignAtt or wait-k."""

    def __init__(self, model: Any, config: ModelConfig) -> None:
        """
        Raises:
            ConfigError: the checkpoint is of another family, or lacks a configured language.
        """
        if not isinstance(model, EncDecMultiTaskModel):
            raise ConfigError(
                f"models.{config.name}.kind",
                f"{config.checkpoint} holds a {type(model).__name__}, which is no multitask model",
            )
        self._model = model.eval()
        self._device: torch.device = next(model.parameters()).device
        self._prompts = Prompts(model, config)
        self._decoder = PrefixDecoder(model)
        self._settings = settings = streaming_of(config)
        self._only_language = config.languages[0] if len(config.languages) == 1 else None
        frame_s = float(model.cfg.preprocessor.window_stride * model.encoder.subsampling_factor)
        self._frame_s, self._frame_samples = frame_s, round(frame_s * SAMPLE_RATE_HZ)
        chunk_s = _DEFAULT_CHUNK_S if settings.chunk_s is None else settings.chunk_s
        right_s = _DEFAULT_RIGHT_S if settings.right_s is None else settings.right_s
        self._left_frames = frames_in(settings.left_s, frame_s)
        self._chunk_frames = frames_in(chunk_s, frame_s)
        self._right_samples = round(right_s * SAMPLE_RATE_HZ)
        super().__init__(
            config,
            ModelInfo(
                config.name,
                config.kind,
                config.languages,
                word_times=False,
                device=device_name(self._device),
            ),
            step_samples=round(chunk_s * SAMPLE_RATE_HZ),
        )

    def _begin(self, slot: int, options: StreamOptions) -> CanarySegment:
        return CanarySegment(slot, options, language=options.language or self._only_language)

    @torch.inference_mode()
    def _advance(self, segments: Sequence[CanarySegment]) -> None:
        for segment in segments:
            segment.window.hear(segment.arrived)
        # Normalised digital silence is nothing but rounding errors, made large
        heard = [s for s in segments if self._num_seen(s) > 0 and not s.window.is_silent]
        if not heard:
            return
        signal, num_samples = as_batch([each.window for each in heard], self._device)
        _, num_frames, states, mask = self._model.forward(
            input_signal=signal, input_signal_length=num_samples
        )
        self._identify(heard, states, mask)
        rows = [
            self._row(segment, index, count)
            for index, (segment, count) in enumerate(zip(heard, num_frames.tolist(), strict=True))
            if segment.language is not None
        ]
        self._say(rows, states)
        for row in rows:
            self._leave_loops(row)
            if row.segment.ended is None:
                self._slide(row)

    def _finish(self, segments: Sequence[CanarySegment]) -> None:
        for segment in segments:
            segment.window.leave(segment.num_carried * self.step_samples)
        self._advance(segments)

    def _num_seen(self, segment: CanarySegment) -> int:
        """Frames of the window that have all of their right part; all where no more will come."""
        num_samples = len(segment.window.samples)
        if segment.ended is not None:
            return -(-num_samples // self._frame_samples)
        return (num_samples - self._right_samples) // self._frame_samples

    def _identify(
        self, segments: Sequence[CanarySegment], states: torch.Tensor, mask: torch.Tensor
    ) -> None:
        """Find the languages that are not named, from all that was heard, until a word is said."""
        places = [
            index
            for index, segment in enumerate(segments)
            if segment.options.language is None
            and self._only_language is None
            and not (segment.tokens or segment.closed)
            and (segment.ended is not None or segment.duration_s >= _IDENTIFY_AFTER_S)
        ]
        if not places:
            return
        found = self._prompts.language_probabilities(states[places], mask[places])
        for index, probabilities in zip(places, found, strict=True):
            segment = segments[index]
            is_late = segment.ended is not None or segment.duration_s >= _IDENTIFY_WITHIN_S
            if is_late or self._prompts.is_sure(probabilities):
                segment.language = self._prompts.language_of(
                    probabilities, segment.options.target_language
                )

    def _row(self, segment: CanarySegment, index: int, num_frames: int) -> _Row:
        num_seen = num_frames
        if segment.ended is None:
            num_seen = min(num_frames, self._num_seen(segment))
        is_full = num_seen - self._left_frames > 0
        forgotten = self._first_frame(segment) + num_seen - self._left_frames
        is_stalled = is_full and not any(place >= forgotten for place in segment.places)
        is_forced = segment.ended is not None or is_stalled
        longest = num_seen + _MOST_EXTRA_TOKENS - len(segment.tokens)
        most = longest if is_forced else min(longest, self._chunk_frames * _TOKENS_PER_FRAME)
        return _Row(segment, index, num_seen, most, is_forced)

    def _first_frame(self, segment: CanarySegment) -> int:
        return segment.window.start // self._frame_samples

    def _say(self, rows: Sequence[_Row], states: torch.Tensor) -> None:
        """Token by token, as long as any row has one to say."""
        if not rows:
            return
        seen = torch.tensor([row.num_seen for row in rows], device=self._device)
        longest = int(seen.max())
        mask = (torch.arange(longest, device=self._device) < seen[:, None]).to(states.dtype)
        states = states[[row.index for row in rows], :longest]
        going = [place for place, row in enumerate(rows) if row.most > 0]
        while going:
            prefixes = [self._prefix(rows[place].segment) for place in going]
            found = self._decoder.next(prefixes, states[going], mask[going])
            going = [
                place
                for place, token, look in zip(going, *found, strict=True)
                if self._take(rows[place], token, look)
            ]

    def _prefix(self, segment: CanarySegment) -> list[int]:
        assert segment.language is not None
        target = self._prompts.target_of(segment.language, segment.options.target_language)
        prompt = self._prompts.ids(segment.language, target, pnc=segment.options.pnc)
        return [*prompt, *segment.tokens]

    def _take(self, row: _Row, token: int, look: int) -> bool:
        """Say the token, if it is time; whether the row may go on."""
        if token == self._decoder.end or not (row.is_forced or self._is_time(row, token, look)):
            return False
        row.segment.tokens.append(token)
        row.segment.places.append(self._first_frame(row.segment) + look)
        row.most -= 1
        return row.most > 0

    def _is_time(self, row: _Row, token: int, look: int) -> bool:
        if self._settings.method == "alignatt":
            # One that looks back has nothing new to say, and would say the old again: without this
            # canary-tiny had 4 to 18 times the errors, in transcripts and translations.
            last = row.segment.places[-1] if row.segment.places else 0
            is_back = self._first_frame(row.segment) + look + _BACK_FRAMES < last
            is_near = row.num_seen - (look + 1) < self._settings.min_distance_frames
            return not (is_back or is_near)
        num_steps = row.segment.num_samples // self.step_samples
        heard_s = (num_steps - self._settings.lag + 1) * self.step_samples / SAMPLE_RATE_HZ
        num_words = len(self._words(row.segment))
        return num_words + self._decoder.begins_word(token) <= heard_s * _WORDS_PER_S

    def _leave_loops(self, row: _Row) -> None:
        """Where the decoder says one thing over and over: keep it once, and begin anew here."""
        segment = row.segment
        words = self._words(segment)
        if (kept := without_loops(" ".join(words)).split()) == words:
            return
        segment.closed = kept if len(kept) >= segment.num_told else words[: segment.num_told]
        segment.tokens, segment.places = [], []
        segment.window.forget(segment.window.start + row.num_seen * self._frame_samples)

    def _slide(self, row: _Row) -> None:
        """Forget what lies before the window, audio and words."""
        segment = row.segment
        end = self._first_frame(segment) + row.num_seen
        first = end - self._left_frames
        if first <= self._first_frame(segment):
            return
        if row.is_forced:
            # Nothing was said of a whole window, until it had to be. In silence a word may just
            # have begun; otherwise all is said that there was.
            was_silent = not any(place >= first for place in segment.places)
            self._close(segment, len(segment.tokens))
            first = end - self._chunk_frames if was_silent else end
        else:
            self._close(segment, self._num_forgotten(segment, first))
        segment.window.forget(first * self._frame_samples)

    def _num_forgotten(self, segment: CanarySegment, first: int) -> int:
        """Tokens in front of the first that looks at frame `first` or later; in whole words."""
        after = (index for index, place in enumerate(segment.places) if place >= first)
        count = next(after, len(segment.places))
        while 0 < count < len(segment.tokens) and not self._decoder.begins_word(
            segment.tokens[count]
        ):
            count -= 1
        return count

    def _close(self, segment: CanarySegment, num_tokens: int) -> None:
        segment.closed += self._decoder.words(segment.tokens[:num_tokens])
        segment.tokens = segment.tokens[num_tokens:]
        segment.places = segment.places[num_tokens:]

    def _words(self, segment: CanarySegment) -> list[str]:
        return [*segment.closed, *self._decoder.words(segment.tokens)]

    def _said(self, segment: CanarySegment) -> Said:
        words = self._words(segment)
        is_sure = segment.ended is not None or not segment.tokens
        num_certain = len(words) if is_sure else max(len(words) - 1, len(segment.closed))
        segment.num_told = num_certain
        spoken, wanted = segment.language, segment.options.target_language
        written = None if spoken is None else self._prompts.target_of(spoken, wanted)
        return Said(*joined(words, num_certain), language=written, spoken_language=spoken)

    def _quiet_s(self, segment: CanarySegment) -> float | None:
        if not (segment.tokens or segment.closed):
            return None
        first = self._first_frame(segment)
        since = segment.places[-1] if segment.places else first
        return (first + self._num_seen(segment) - since) * self._frame_s
