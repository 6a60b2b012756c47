"""The tables of bad input, as `docs/hostile-input.md` shows them.

`python -m tests.hostile.document` writes them there again after a row was added.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tests.hostile import bad_containers, bad_kinds, bad_requests, bad_wav
from tests.hostile.bad import Bad
from tests.hostile.bad_requests import BadRequest

PAGE = Path(__file__).parents[2] / "docs/hostile-input.md"
MARK = "<!-- from here on written by tests/hostile/document.py -->\n"

SECTIONS: Mapping[str, Iterable[Bad | BadRequest]] = {
    "WAV: sizes": bad_wav.SIZES,
    "WAV: numbers": bad_wav.NUMBERS,
    "WAV: codecs": bad_wav.CODECS,
    "AIFF, AU, CAF": bad_wav.KIN,
    "FLAC": bad_containers.FLAC,
    "MP3 and AAC": bad_containers.MPEG,
    "OGG": bad_containers.OGG,
    "MP4": bad_containers.MP4,
    "Matroska, WebM, AMR": bad_containers.MATROSKA,
    "No audio": bad_kinds.NOTHING,
    "Playlists, protocols, addresses": bad_kinds.PLAYLISTS,
    "Formats that are not accepted": bad_kinds.STRANGERS,
    "Two things at once": bad_kinds.POLYGLOTS,
    "Names": bad_kinds.NAMES,
    "Forms": bad_requests.FORMS,
    "Fields": bad_requests.FIELDS,
    "Lengths": bad_requests.LENGTHS,
    "Paths, methods, headers": bad_requests.PATHS,
}


def text() -> str:
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    for title, rows in SECTIONS.items():
        yield f"\n### {title}\n"
        yield "| what | answer |"
        yield "|---|---|"
        for row in rows:
            killed = ", its decoder is replaced" if isinstance(row, Bad) and row.kills else ""
            name = row.name.replace("|", "\\|")
            yield f"| {name} | {row.status} {row.code or ''}".rstrip() + f"{killed} |"


def main() -> None:
    head, _, _ = PAGE.read_text().partition(MARK)
    PAGE.write_text(head + MARK + text())


if __name__ == "__main__":
    main()
