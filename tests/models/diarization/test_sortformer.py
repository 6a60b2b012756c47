"""Sortformer in pieces against NeMo's own pass over the whole, on random weights.

How well it tells speakers apart is tested nowhere: that needs NVIDIA's weights.
"""

import hashlib
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from serve_app.audio.waveform import SAMPLE_RATE_HZ, Pcm
from serve_app.config import ModelConfig
from serve_app.errors import ConfigError
from serve_app.models.diarization.sortformer import SortformerDiarizer
from serve_app.models.loader import load_diarizer
from tests.models.random_sortformer import build

HOP = 160


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sortformer") / "random.nemo"
    build().save_to(str(path))
    return path


def config_of(path: Path, **settings: Any) -> ModelConfig:
    return ModelConfig(name="speakers", kind="sortformer", checkpoint=str(path), **settings)


def sounds(duration_s: float, seed: int = 1) -> Pcm:
    """Bursts of noise of several colours, with silence between them."""
    rng = np.random.default_rng(seed)
    pieces: list[Pcm] = [np.zeros(0, dtype=np.int16)]
    while sum(map(len, pieces)) < duration_s * SAMPLE_RATE_HZ:
        noise = rng.normal(0, 6000, rng.integers(2_000, 30_000))
        width = int(rng.integers(1, 12))
        colour = np.convolve(noise, np.ones(width) / width, "same")
        pieces.append(np.clip(colour, -32_000, 32_000).astype(np.int16))
        pieces.append(np.zeros(rng.integers(0, 9_000), dtype=np.int16))
    return np.concatenate(pieces)[: round(duration_s * SAMPLE_RATE_HZ)]


def whole(model: Any, samples: Pcm) -> torch.Tensor:
    """What NeMo's own streaming pass gives for all of it at once."""
    signal = torch.from_numpy(samples.astype(np.float32) / 32768.0)
    with torch.inference_mode():
        return model(audio_signal=signal[None], audio_signal_length=torch.tensor([len(signal)]))[0]


def in_pieces(diarizer: SortformerDiarizer, samples: Pcm, rng: random.Random) -> torch.Tensor:
    memory, steps, place = diarizer.begin(), [], 0
    with torch.inference_mode():
        while True:
            num = rng.choice((1, 100, 159, 160, 161, 4_000, 32_000, 480_000))
            piece, place = samples[place : place + num], place + num
            is_last = place >= len(samples)
            steps += list(diarizer.probabilities(memory, piece, is_last=is_last))
            if is_last:
                return torch.cat(steps) if steps else torch.zeros(0, diarizer.num_speakers)


@pytest.mark.parametrize(
    "steps",
    [
        {},
        {"async_streaming": True},
        {"chunk_right_context": 0, "chunk_left_context": 0},
        {"fifo_len": 0, "spkcache_update_period": 1},
    ],
)
def test_pieces_give_the_probabilities_of_the_whole(steps: dict[str, Any]) -> None:
    model = build(**steps)
    diarizer = SortformerDiarizer(model, config_of(Path("random.nemo")))
    for seed, duration_s in enumerate((0.0, 0.005, 0.01, 0.03, 0.5, 1.12, 1.92, 7.77, 30.0)):
        samples = sounds(duration_s, seed)
        expected = whole(model, samples) if len(samples) >= HOP else torch.zeros(0, 4)
        found = in_pieces(diarizer, samples, random.Random(seed))
        assert found.shape == expected.shape
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
        # 1.92 s end where a step does
    assert expected.min() < 0.3
    assert expected.max() > 0.7  # they go up and down: the comparison is of something


def test_what_it_remembers_does_not_grow() -> None:
    diarizer = SortformerDiarizer(build(), config_of(Path("random.nemo")))
    memory = diarizer.begin()
    num_bytes = 0
    for seed in range(12):
        num_bytes += len(diarizer.hear(memory, sounds(10.0, seed).tobytes(), is_last=False))
        assert memory.state.fifo.shape[1] <= 10
        assert memory.samples.size <= 3 * HOP + 256
        assert memory.features.shape[1] <= (12 + 2 + 1) * 8
        assert memory.state.spkcache.shape[1] <= 40
    num_bytes += len(diarizer.hear(memory, b"", is_last=True))
    assert num_bytes == 120 * 100 // 8 * 4


def test_recordings_side_by_side_do_not_hear_each_other() -> None:
    diarizer = SortformerDiarizer(build(), config_of(Path("random.nemo")))
    recordings = [sounds(9.0, seed).tobytes() for seed in (1, 2)]
    alone = [diarizer.hear(diarizer.begin(), pcm, is_last=True) for pcm in recordings]
    memories = [diarizer.begin() for _ in recordings]
    together = [b"", b""]
    for start in range(0, len(recordings[0]), 32_000):
        for index, pcm in enumerate(recordings):
            is_last = start + 32_000 >= len(pcm)
            piece = pcm[start : start + 32_000]
            together[index] += diarizer.hear(memories[index], piece, is_last=is_last)
    difference = np.abs(
        np.frombuffer(b"".join(alone), np.uint8).astype(int)
        - np.frombuffer(b"".join(together), np.uint8)
    )
    assert difference.max() <= 1  # a rounding
    assert alone[0] != alone[1]


def test_a_checkpoint_is_loaded_as_all_are(checkpoint: Path) -> None:
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    diarizer = load_diarizer(config_of(checkpoint, sha256=digest))
    assert (diarizer.info.kind, diarizer.info.device) == ("sortformer", "cpu")
    assert (diarizer.num_speakers, diarizer.frame_s) == (4, 0.08)
    told = diarizer.hear(diarizer.begin(), sounds(2.0).tobytes(), is_last=True)
    assert len(told) == 25 * 4
    with pytest.raises(ConfigError, match="not the configured"):
        load_diarizer(config_of(checkpoint, sha256="0" * 64))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"streaming_mode": False}, "only as a whole"),
        ({"normalize": "per_feature"}, "normalises its features over the whole"),
        ({"chunk_len": 490, "chunk_right_context": 20}, "needs 40.8 s for a step"),
    ],
)
def test_a_checkpoint_that_needs_the_whole_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        SortformerDiarizer(build(**settings), config_of(Path("random.nemo")))
