"""The weights as they ship, in NeMo itself."""

import json
from pathlib import Path

import pytest
import soundfile
import soxr

import tiny

TINY = Path(tiny.__file__).parent


@pytest.fixture(scope="module")
def model():
    from nemo.collections.asr.models import ASRModel

    from tiny.parakeet.evaluate import with_word_times

    model = ASRModel.restore_from(str(TINY / "weights/parakeet-tiny.nemo"), map_location="cpu")
    with_word_times(model)
    return model


@pytest.fixture(scope="module")
def commands():
    from tiny.parakeet.evaluate import draw_items, render

    return [render(item) for item in draw_items("commands", seed=11, num_items=12)]


def test_it_decodes_as_tdt_without_dither_or_padding(model):
    assert model.cur_decoder == "rnnt"
    assert model.cfg.loss.loss_name == "tdt"
    assert model.cfg.preprocessor.dither == 0.0
    assert model.cfg.preprocessor.pad_to == 0


def test_unseen_commands_of_unseen_voices_come_out_nearly_all_right(model, commands):
    from nemo.collections.asr.metrics.wer import word_error_rate

    from tiny.parakeet.evaluate import recognize

    found = list(recognize(model, [c.waveform for c in commands]))
    assert word_error_rate([f.text for f in found], [c.text for c in commands]) <= 0.10
    for recognized in found:
        assert [word.text for word in recognized.words] == recognized.text.split()


def test_a_batch_of_any_lengths_says_what_each_row_says_alone(model, commands):
    from tiny.parakeet.evaluate import recognize

    waveforms = [c.waveform for c in commands]
    together = list(recognize(model, waveforms, batch_size=len(waveforms)))
    alone = [next(recognize(model, [waveform])) for waveform in waveforms]
    assert [r.text for r in together] == [r.text for r in alone]
    assert [r.ctc_text for r in together] == [r.ctc_text for r in alone]


@pytest.mark.parametrize(("in_training", "aim"), [(True, 0.0), (False, 0.10)])
def test_real_people_are_understood(model, in_training, aim):
    """People whom it learnt from, in strings that it has not heard, and one it never heard."""
    from nemo.collections.asr.metrics.wer import word_error_rate

    from tiny.parakeet.evaluate import recognize

    samples = json.loads((TINY / "samples/samples.json").read_text())
    waveforms, texts = [], []
    for sample in samples:
        # libsndfile does not read MPEG-4 and WebM; the server's decoders do, in tests/graph.
        if sample["in_training"] == in_training and sample["file"][-4:] not in (".m4a", "webm"):
            waveform, rate_hz = soundfile.read(TINY / "samples" / sample["file"], dtype="float32")
            waveforms.append(soxr.resample(waveform, rate_hz, 16_000))
            texts.append(sample["text"])
    found = [recognized.text for recognized in recognize(model, waveforms)]
    assert len(found) >= 2
    assert word_error_rate(found, texts) <= aim
