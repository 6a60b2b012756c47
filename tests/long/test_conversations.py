"""Speech to speech over every pair that canary-tiny has, and many phrases of each: there, and back
again by the sound of the translation.
"""

import asyncio
import os
from collections.abc import Iterator

import pytest
import yaml

from serve_app import server
from tests.graph.conftest import ROOT, Server, free_port
from tests.graph.conversations import conversed, drawn, speech_of
from tiny.canary.speech.phrases import DIRECTIONS, Phrase

NUM_PHRASES = int(os.environ.get("NUM_PHRASES", "100"))
_AT_ONCE = 10

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600), pytest.mark.asyncio]


@pytest.fixture(scope="module")
def tiny_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("configs")
    document = yaml.safe_load((ROOT / "configs/tiny.yaml").read_text())
    document["applications"][0]["args"]["metrics_port"] = free_port()
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(document))
    (folder / "ray.env").write_text((ROOT / "configs/ray.env").read_text())
    with server.running(path, port=free_port()) as address:
        yield Server(address, path)


async def there_and_back(
    running: Server, said: list[Phrase], pair: tuple[str, str]
) -> tuple[int, int]:
    """How many phrases were right in the other language, and how many when they came back."""
    source, target = pair
    pcm = await asyncio.to_thread(speech_of, running, said, source)
    heard = await conversed(running, pcm, mode=f"{source}->{target}")
    again = await conversed(running, heard.sound, mode=f"{target}->{source}")
    assert len(heard.texts) == len(again.texts) == len(said)
    there = zip(heard.texts, said, strict=True)
    back = zip(again.texts, said, strict=True)
    return (
        sum(text == phrase.sentences[target] for text, phrase in there),
        sum(text == phrase.sentences[source] for text, phrase in back),
    )


@pytest.mark.parametrize("pair", DIRECTIONS, ids="->".join)
async def test_phrases_are_right_and_their_sound_means_the_same(
    tiny_server: Server, pair: tuple[str, str]
) -> None:
    said = drawn(60 + DIRECTIONS.index(pair), NUM_PHRASES)
    there = back = 0
    for start in range(0, NUM_PHRASES, _AT_ONCE):
        right = await there_and_back(tiny_server, said[start : start + _AT_ONCE], pair)
        there, back = there + right[0], back + right[1]
    print(f"{'->'.join(pair)}: {there} of {NUM_PHRASES} there, {back} back")
    assert there >= 0.93 * NUM_PHRASES
    assert back >= 0.88 * NUM_PHRASES
