"""The tables of bad input, as `docs/hostile-input.md` shows them.

`python -m tests.hostile.table.document` writes them there again after a row was added.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tests.hostile.table import containers, kinds, requests, wav
from tests.hostile.table.requests import BadRequest
from tests.hostile.table.rows import Bad

PAGE = Path(__file__).parents[3] / "docs/hostile-input.md"
MARK = "<!-- from here on written by tests/hostile/table/document.py -->\n"

SECTIONS: Mapping[str, Iterable[Bad | BadRequest]] = {
    "WAV: sizes": wav.SIZES,
    "WAV: numbers": wav.NUMBERS,
    "WAV: codecs": wav.CODECS,
    "AIFF, AU, CAF": wav.KIN,
    "FLAC": containers.FLAC,
    "MP3 and AAC": containers.MPEG,
    "OGG": containers.OGG,
    "MP4": containers.MP4,
    "Matroska, WebM, AMR": containers.MATROSKA,
    "No audio": kinds.NOTHING,
    "Playlists, protocols, addresses": kinds.PLAYLISTS,
    "Formats that are not accepted": kinds.STRANGERS,
    "Two things at once": kinds.POLYGLOTS,
    "Names": kinds.NAMES,
    "Forms": requests.FORMS,
    "Fields": requests.FIELDS,
    "Lengths": requests.LENGTHS,
    "Paths, methods, headers": requests.PATHS,
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
