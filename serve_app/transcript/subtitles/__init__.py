"""A transcript, in; an SRT or WebVTT file, out."""

from html import escape

from serve_app.transcript.subtitles.cues import Cue, cues_of, label
from serve_app.transcript.types import Transcript


def srt(transcript: Transcript) -> str:
    """SubRip: numbered cues, a comma before the milliseconds; who speaks stands in brackets."""
    cues = cues_of(transcript.segments, shows_voices=True)
    return "".join(
        f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n"
        + label(cue.voice)
        + "\n".join(cue.lines)
        + "\n\n"
        for number, cue in enumerate(cues, start=1)
    )


def vtt(transcript: Transcript) -> str:
    """WebVTT; `&`, `<` and `>` are escaped, as it demands, and who speaks is a voice span."""
    return "WEBVTT\n\n" + "".join(
        f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n"
        + _voice_span(cue)
        + "\n".join(escape(line, quote=False) for line in cue.lines)
        + "\n\n"
        for cue in cues_of(transcript.segments)
    )


def _voice_span(cue: Cue) -> str:
    """Left open: a span that fills its cue needs no end tag."""
    return "" if cue.voice is None else f"<v {escape(cue.voice, quote=False)}>"


def _clock(time_ms: int, mark: str) -> str:
    seconds, milliseconds = divmod(time_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{mark}{milliseconds:03}"
