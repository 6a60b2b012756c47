"""Events of a stream, in; its whole text so far, out, for wires that tell it whole."""

from serve_app.pipelines.streaming.events import Final, Finished, Partial, StreamEvent

_SETTLE_EVERY_S = 5.0
"""Of silence; it is told so often how far it needs not be kept."""


class Said:
    """`confirmed` only ever grows; `confirmed + tentative` is all that was heard."""

    def __init__(self) -> None:
        self._final = ""
        self.confirmed = ""
        self.tentative = ""
        self.heard_s = 0.0
        """How far the stream has been heard."""
        self._final_s: float | None = None
        self._told_s = 0.0

    @property
    def text(self) -> str:
        return self.confirmed + self.tentative

    @property
    def has_new_final(self) -> bool:
        """Whether more is final than was told."""
        return self._final_s is not None

    def take_final_s(self) -> float | None:
        """How far the stream is final; None where that was told already."""
        final_s, self._final_s = self._final_s, None
        self._told_s = self._told_s if final_s is None else final_s
        return final_s

    def settle(self, settled_s: float | None) -> bool:
        """Take the stream for final so far; whether that is worth telling."""
        if settled_s is None or settled_s < self._told_s + _SETTLE_EVERY_S:
            return False
        self._final_s = settled_s
        return True

    def hear(self, event: StreamEvent) -> bool:
        """Whether the event has changed what a client would be told."""
        before = (self.confirmed, self.tentative)
        match event:
            case Partial():
                self.heard_s = event.heard_s
                self.confirmed = self._behind(event.confirmed)
                text = self._behind(event.confirmed + event.tentative)
                self.tentative = text[len(self.confirmed) :]
            case Final():
                self.heard_s = max(self.heard_s, event.end_s)
                self._final = self._behind(event.segment.text)
                self.confirmed, self.tentative = self._final, ""
                self._final_s = event.end_s
            case Finished():
                self.tentative = ""  # of a segment that came to nothing
        return before != (self.confirmed, self.tentative)

    def _behind(self, text: str) -> str:
        """`text` behind all that is final."""
        return f"{self._final} {text}" if self._final and text else self._final + text
