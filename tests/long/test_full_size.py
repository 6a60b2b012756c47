"""Checkpoints of full size, with random weights: the same path as the tiny ones.

Their words mean nothing; that they are built, saved, loaded and run in batches is the point. The
shapes are those of the published configurations: Parakeet TDT 0.6B v3 (24 layers, 1024 wide, 128
mels, 8192 pieces), Canary 1B v2 (32 layers of encoder and 8 of decoder, 1024 wide).
"""

import random
import string
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
from omegaconf import OmegaConf

from serve_app.config import ModelConfig
from serve_app.models.loader import load_recognizer
from serve_app.models.protocols import RecognitionOptions, RecognitionRequest
from tests.models import random_canary
from tests.models.test_parakeet import recognize, request

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

DURATIONS = [0, 1, 2, 3, 4]
WIDTH, JOINT = 1024, 640


def train_tokenizer(folder: Path, num_pieces: int) -> None:
    rng = random.Random(1)
    words = [
        "".join(rng.choices(string.ascii_lowercase, k=rng.randint(2, 9))) for _ in range(30_000)
    ]
    text = folder / "words.txt"
    text.write_text("\n".join(" ".join(rng.choices(words, k=10)) for _ in range(8_000)))
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(folder / "tokenizer"), vocab_size=num_pieces,
        model_type="bpe", bos_id=-1, eos_id=-1, pad_id=-1, unk_id=0, minloglevel=2,
    )  # fmt: skip
    processor = sentencepiece.SentencePieceProcessor(str(folder / "tokenizer.model"))
    pieces = [processor.id_to_piece(index) for index in range(1, num_pieces)]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n")


def full_size_config(tokenizer: Path) -> dict[str, object]:
    asr = "nemo.collections.asr.modules"
    return {
        "sample_rate": 16000,
        "compute_eval_loss": False,
        "log_prediction": False,
        "skip_nan_grad": False,
        "rnnt_reduction": "mean_volume",
        "model_defaults": {
            "enc_hidden": WIDTH, "pred_hidden": JOINT, "joint_hidden": JOINT,
            "tdt_durations": DURATIONS, "num_tdt_durations": len(DURATIONS),
        },
        "tokenizer": {"dir": str(tokenizer), "type": "bpe"},
        "preprocessor": {
            "_target_": f"{asr}.AudioToMelSpectrogramPreprocessor", "sample_rate": 16000,
            "normalize": "per_feature", "window_size": 0.025, "window_stride": 0.01,
            "window": "hann", "features": 128, "n_fft": 512, "log": True, "frame_splicing": 1,
            "dither": 1e-5, "pad_to": 0, "pad_value": 0.0,
        },
        "encoder": {
            "_target_": f"{asr}.ConformerEncoder", "feat_in": 128, "feat_out": -1, "n_layers": 24,
            "d_model": WIDTH, "use_bias": False, "subsampling": "dw_striding",
            "subsampling_factor": 8, "subsampling_conv_channels": 256, "causal_downsampling": False,
            "ff_expansion_factor": 4, "self_attention_model": "rel_pos", "n_heads": 8,
            "att_context_size": [-1, -1], "xscaling": False, "untie_biases": True,
            "pos_emb_max_len": 5000, "conv_kernel_size": 9, "conv_norm_type": "batch_norm",
            "dropout": 0.1, "dropout_pre_encoder": 0.1, "dropout_emb": 0.0, "dropout_att": 0.1,
        },
        "decoder": {
            "_target_": f"{asr}.RNNTDecoder", "normalization_mode": None,
            "random_state_sampling": False, "blank_as_pad": True,
            "prednet": {"pred_hidden": JOINT, "pred_rnn_layers": 2, "t_max": None, "dropout": 0.2},
        },
        "joint": {
            "_target_": f"{asr}.RNNTJoint", "log_softmax": None, "preserve_memory": False,
            "fuse_loss_wer": False, "fused_batch_size": 1, "num_extra_outputs": len(DURATIONS),
            "jointnet": {
                "joint_hidden": JOINT, "activation": "relu", "dropout": 0.2,
                "encoder_hidden": WIDTH, "pred_hidden": JOINT,
            },
        },
        "decoding": {
            "strategy": "greedy_batch", "model_type": "tdt", "durations": DURATIONS,
            "greedy": {"max_symbols": 10},
        },
        "loss": {
            "loss_name": "tdt",
            "tdt_kwargs": {
                "fastemit_lambda": 0.0, "clamp": -1.0, "durations": DURATIONS,
                "sigma": 0.02, "omega": 0.1,
            },
        },
    }  # fmt: skip


def test_a_full_size_checkpoint_is_built_saved_loaded_and_run(tmp_path: Path) -> None:
    from nemo.collections.asr.models import EncDecRNNTBPEModel

    tokenizer = tmp_path / "tokenizer"
    tokenizer.mkdir()
    train_tokenizer(tokenizer, 8192)
    built = EncDecRNNTBPEModel(cfg=OmegaConf.create(full_size_config(tokenizer)))
    num_parameters = sum(parameter.numel() for parameter in built.parameters())
    assert 0.58e9 < num_parameters < 0.66e9
    path = tmp_path / "parakeet-0.6b-random.nemo"
    built.save_to(str(path))
    del built

    model = load_recognizer(
        ModelConfig(
            name="full", kind="parakeet", checkpoint=str(path), num_threads=2, max_chunk_s=10
        )
    )
    noise = np.random.default_rng(1).normal(0, 0.1, 16_000 * 10)
    requests = [request(noise[: int(16_000 * length_s)]) for length_s in (10, 3.3, 7, 1)]
    together = recognize(model, requests)
    for each, found in zip(requests, together, strict=True):
        assert found.text == recognize(model, [each])[0].text
        assert found.words is not None


def test_a_full_size_canary_is_built_saved_loaded_and_run(tmp_path: Path) -> None:
    """Wants some 10 GB of memory: the weights twice while they are saved, and once loaded."""
    built = random_canary.build(
        tmp_path / "tokenizers", width=WIDTH, num_layers=32, num_decoder_layers=8, num_mels=128
    )
    num_parameters = sum(parameter.numel() for parameter in built.parameters())
    assert 0.85e9 < num_parameters < 1.05e9
    path = tmp_path / "canary-1b-random.nemo"
    built.save_to(str(path))
    del built

    model = load_recognizer(
        ModelConfig(
            name="full",
            kind="canary",
            checkpoint=str(path),
            languages=random_canary.LANGUAGES,
            pivot_language="en",
            num_threads=2,
            max_chunk_s=3,
        )
    )
    noise = np.random.default_rng(1).normal(0, 0.1, 16_000 * 3)
    options = [
        RecognitionOptions(language="de"),
        RecognitionOptions(language="en", target_language="fr", pnc=False),
        RecognitionOptions(),
    ]
    requests = [
        RecognitionRequest(request(noise[: int(16_000 * length_s)]).chunk, wanted)
        for length_s, wanted in zip((3, 1.5, 0.5), options, strict=True)
    ]
    together = recognize(model, requests)
    assert [found.language for found in together[:2]] == ["de", "fr"]
    for each, found in zip(requests, together, strict=True):
        (alone,) = recognize(model, [each])
        assert (found.text, found.spoken_language) == (alone.text, alone.spoken_language)
