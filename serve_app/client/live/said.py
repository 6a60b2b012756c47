"""Messages of `/asr`, of one connection after the other, in; the text of the whole stream, out."""

import time
from typing import Any

from serve_app.client.answers import LiveText
from serve_app.client.live.kept import KeptAudio


class Said:
    """Each connection says what came after the place where it took the stream up; it is put behind
    what was final there. What the server has made final is dropped from `kept`."""

    def __init__(self, kept: KeptAudio) -> None:
        self.token = ""
        """To take the stream up where it is final now."""
        self.complaint = ""
        """Why the server ends this connection."""
        self._kept = kept
        self._final = ""
        self._before = ""
        """Final where this connection began."""
        self._confirmed = ""

    def begin_connection(self) -> None:
        self._before, self.complaint = self._final, ""

    def hear(self, message: dict[str, Any]) -> LiveText | None:
        """What a message says; None of one without text."""
        kind = message.get("type")
        if kind == "error":
            self.complaint = str(message.get("error", {}).get("message", ""))
        if kind not in ("partial", "final"):
            self._note(message, self._final)
            return None
        is_final = kind == "final"
        said = str(message["text" if is_final else "confirmed"])
        unsure = "" if is_final else str(message["buffer"])
        confirmed = _joined(self._before, said)
        whole = _joined(self._before, said + unsure)
        self._note(message, confirmed)
        if not is_final and self._confirmed.startswith(confirmed):
            # Heard again after a break: what was told before stays.
            confirmed = self._confirmed
        self._confirmed = confirmed
        return LiveText(
            confirmed,
            whole.removeprefix(confirmed) if whole.startswith(confirmed) else "",
            num_settled=len(confirmed if is_final else self._final),
            is_final=is_final,
            latency_s=self._latency_s(message.get("heard_s")),
        )

    def _note(self, message: dict[str, Any], confirmed: str) -> None:
        """A token, if there is one: what stands here, and all audio before, is final."""
        if (token := message.get("resume")) is not None:
            self.token, self._final = token, confirmed
            self._kept.drop_before(float(message["resume_s"]))

    def _latency_s(self, heard_s: float | None) -> float | None:
        sent_at = None if heard_s is None else self._kept.sent_at(heard_s)
        return None if sent_at is None else time.perf_counter() - sent_at


def _joined(settled: str, rest: str) -> str:
    return f"{settled} {rest}" if settled and rest else settled or rest
