"""Measure how long after the end of speech its translation is told and heard.

    python -m loadtest.translate --report docs/translation.md

Starts the embedded models (`configs/tiny.yaml`) on a free port. Takes five minutes.
"""

import argparse
import asyncio
import os
import random
import tempfile
from pathlib import Path

import yaml

from loadtest.bench.server import free_port
from loadtest.translate.floor import Engines, Utterance
from loadtest.translate.page import Measured, lines_of, page_of
from loadtest.translate.talks import ENDINGS, talk, talk_at_once
from serve_app import server
from serve_app.config import ServerConfig
from tiny.canary.speech.phrases import DIRECTIONS, LANGUAGES, phrases

_ROOT = Path(__file__).resolve().parents[2]
_MODEL = "canary-tiny"
_NUM_TALKS = 10


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.translate", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--each", type=int, default=5, metavar="N", help="phrases a pair (5)")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the page there")
    options = parser.parse_args()
    document = yaml.safe_load((_ROOT / "configs/tiny.yaml").read_text())
    settings = document["applications"][0]["args"]
    settings["metrics_port"] = free_port()
    config = ServerConfig.model_validate(settings)
    engines = Engines(config, _MODEL)
    utterances = _drawn(engines, options.each)
    load_before, alone = os.getloadavg()[0], []
    with tempfile.TemporaryDirectory(prefix="chorus-") as folder:
        path = Path(folder) / "translate.yaml"
        path.write_text(yaml.safe_dump(document))
        (path.parent / "ray.env").write_text((_ROOT / "configs/ray.env").read_text())
        with server.running(path, port=free_port()) as url:
            told = {}
            for ending in ENDINGS:
                # Each time anew: who else uses the machine slows both.
                alone.append(engines.all_alone(utterances))
                told[ending.name] = asyncio.run(talk(url, utterances, ending))
            crowd = asyncio.run(talk_at_once(url, utterances, ENDINGS[-1], _NUM_TALKS))
    measured = Measured(utterances, alone, told, crowd, _NUM_TALKS, load_before)
    print("\n".join(lines_of(measured)))
    if options.report is not None:
        options.report.write_text(page_of(measured))


def _drawn(engines: Engines, num: int) -> list[Utterance]:
    """So many phrases for each pair, in the server's own voices."""
    rng = random.Random(9)
    everywhere = [each for each in phrases() if set(LANGUAGES) <= set(each.sentences)]
    return [
        Utterance(
            source,
            target,
            phrase.sentences[target],
            engines.speech(phrase.sentences[source], source),
        )
        for source, target in DIRECTIONS
        for phrase in rng.sample(everywhere, num)
    ]


if __name__ == "__main__":
    main()
