"""Texts of one stream in; on a terminal one live line, elsewhere a line for each, out."""

from typing import Protocol, TextIO

from serve_app.client import LiveText

_FAINT, _PLAIN = "\x1b[2m", "\x1b[0m"
_PARTIAL = "[PARTIAL]"
_TO_START_AND_CLEAR = "\r\x1b[K"


class Screen(Protocol):
    def show(self, text: LiveText) -> None: ...

    def close(self) -> None:
        """Leave what is shown, and the cursor below it."""
        ...


class Lines:
    """`[FINAL]` with what has become final, `[PARTIAL]` with what follows it for now; with nothing
    behind it, where that was taken back."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._num_written = 0
        self._shown = ""

    def show(self, text: LiveText) -> None:
        if final := text.confirmed[self._num_written : text.num_settled].strip():
            self._write(f"[FINAL] {final}")
        self._num_written = max(self._num_written, text.num_settled)
        partial = text.text[self._num_written :].strip()
        if partial or self._shown.startswith(_PARTIAL):
            self._write(f"{_PARTIAL} {partial}".rstrip())

    def close(self) -> None:
        pass

    def _write(self, line: str) -> None:
        if line != self._shown:
            print(line, file=self._out, flush=True)
            self._shown = line


class LiveLine:
    """Words that stay are written as in a book; below them one line goes on changing."""

    def __init__(self, out: TextIO, *, width: int) -> None:
        self._out = out
        self._width = width - 1
        self._num_written = 0
        self._is_begun = False

    def show(self, text: LiveText) -> None:
        self._is_begun = True
        self._out.write(_TO_START_AND_CLEAR)
        while len(text.confirmed) - self._num_written > self._width:
            self._write_line(text.confirmed)
        stays = text.confirmed[self._num_written :]
        unsure = text.unsure[: self._width - len(stays)]
        self._out.write(f"{stays}{_FAINT}{unsure}{_PLAIN}" if unsure else stays)
        self._out.flush()

    def close(self) -> None:
        if self._is_begun:
            self._out.write("\n")

    def _write_line(self, confirmed: str) -> None:
        """Write as many words as fill a line, for good."""
        end = self._num_written + self._width
        at_space = confirmed.rfind(" ", self._num_written + 1, end + 1)
        cut = at_space if at_space > 0 else end
        self._out.write(confirmed[self._num_written : cut] + "\n")
        self._num_written = cut + (at_space > 0)


def screen_for(out: TextIO, *, width: int) -> Screen:
    return LiveLine(out, width=width) if out.isatty() else Lines(out)
