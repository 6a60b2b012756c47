"""A CTC model made of the tiny hybrid's own CTC half, against NeMo's decoding of it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from nemo.collections.asr.models import ASRModel, EncDecCTCModelBPE
from omegaconf import OmegaConf

from serve_app.config import ModelConfig
from serve_app.models.loader import PROJECT_ROOT, load_recognizer
from serve_app.models.protocols import RecognitionRequest, Recognizer
from tests.models.test_hotwords import (
    NUM_SAID,
    long_words,
    noisy_sentences,
    num_missed,
    with_hotwords,
)
from tests.models.test_parakeet import CHECKPOINT, random_requests, recognize, times


@pytest.fixture(scope="module")
def ctc(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The hybrid's encoder and its `ctc_decoder`, as a model of their own."""
    hybrid = ASRModel.restore_from(str(PROJECT_ROOT / CHECKPOINT), map_location="cpu")
    folder = tmp_path_factory.mktemp("tokenizer")
    _write_tokenizer(hybrid, folder)
    config = {
        "sample_rate": 16000,
        "log_prediction": False,
        "ctc_reduction": "mean_batch",
        "skip_nan_grad": False,
        "tokenizer": {"dir": str(folder), "type": "bpe"},
        "preprocessor": {**hybrid.cfg.preprocessor, "dither": 0.0},
        "encoder": hybrid.cfg.encoder,
        "decoder": hybrid.cfg.aux_ctc.decoder,
    }
    model = EncDecCTCModelBPE(cfg=OmegaConf.create(config))
    model.encoder.load_state_dict(hybrid.encoder.state_dict())
    model.decoder.load_state_dict(hybrid.ctc_decoder.state_dict())
    return model.eval()


def _write_tokenizer(hybrid: Any, folder: Path) -> None:
    pieces = hybrid.tokenizer.tokenizer
    (folder / "tokenizer.model").write_bytes(pieces.serialized_model_proto())
    names = [pieces.id_to_piece(index) for index in range(1, pieces.get_piece_size())]
    (folder / "vocab.txt").write_text("\n".join(names) + "\n")


@pytest.fixture(scope="module")
def served(ctc: Any, tmp_path_factory: pytest.TempPathFactory) -> Recognizer:
    path = tmp_path_factory.mktemp("ctc") / "ctc.nemo"
    ctc.save_to(str(path))
    return load_recognizer(ModelConfig(name="ctc", kind="parakeet", checkpoint=str(path)))


def decoded_by_nemo(ctc: Any, request: RecognitionRequest) -> str:
    signal = torch.from_numpy(request.chunk.samples().copy()).float()[None] / 32768.0
    with torch.inference_mode():
        log_probs, num_frames, _ = ctc(
            input_signal=signal, input_signal_length=torch.tensor([signal.shape[1]])
        )
        found = ctc.decoding.ctc_decoder_predictions_tensor(log_probs, num_frames)
    return " ".join(str(found[0].text).split())


def test_the_text_is_what_nemo_decodes(ctc: Any, served: Recognizer) -> None:
    requests = [each for each in random_requests(40, seed=21) if each.chunk.duration_s > 0.2]
    texts = [decoded_by_nemo(ctc, each) for each in requests]
    assert len(set(texts)) > 20
    assert [row.text for row in recognize(served, requests)] == texts


def test_rows_in_a_batch_equal_the_same_rows_alone(served: Recognizer) -> None:
    requests = random_requests(24, seed=22)
    for each, together in zip(requests, recognize(served, requests), strict=True):
        (alone,) = recognize(served, [each])
        assert (alone.text, times(alone)) == (together.text, times(together))


def test_words_are_timed_and_sure_within_reason(served: Recognizer) -> None:
    requests = random_requests(12, seed=23)
    for each, row in zip(requests, recognize(served, requests), strict=True):
        assert row.words is not None
        assert " ".join(word.text for word in row.words) == row.text
        assert all(0 <= word.start_s <= word.end_s <= each.chunk.duration_s for word in row.words)
        assert all(word.confidence is not None and 0 < word.confidence <= 1 for word in row.words)


def test_hot_words_are_heard_and_leave_the_other_rows_alone(served: Recognizer) -> None:
    said = noisy_sentences(NUM_SAID, seed=24)
    texts = [text for text, _ in said]
    requests = [row for _, row in said]
    plain = recognize(served, requests)
    leaning = [with_hotwords(row, *long_words(text)) for text, row in said]
    assert num_missed(recognize(served, leaning), texts) < 0.9 * num_missed(plain, texts)
    mixed = [
        lean if index % 2 else row
        for index, (row, lean) in enumerate(zip(requests, leaning, strict=True))
    ]
    assert recognize(served, mixed)[::2] == plain[::2]
