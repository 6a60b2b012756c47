"""A small multitask model with random weights, of Canary's kind: its words mean nothing."""

import tarfile
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from nemo.collections.asr.models import EncDecCTCModelBPE, EncDecMultiTaskModel
from nemo.collections.common.tokenizers.canary_tokenizer import CanaryTokenizer
from nemo.utils.app_state import AppState
from omegaconf import OmegaConf

LANGUAGES = ("en", "de", "fr")
WIDTH = 64
_ASR = "nemo.collections.asr.modules"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SPECIAL = (
    "<|startofcontext|>", "<|emo:undefined|>", "<|itn|>", "<|noitn|>", "<|timestamp|>",
    "<|notimestamp|>", "<|diarize|>", "<|nodiarize|>", "<|unklang|>", *LANGUAGES,
)  # fmt: skip


_OF_CANARY_1 = ("<|transcribe|>", "<|translate|>", *(f"<|spare{i}|>" for i in range(6)))
"""What prompts of format `canary` have beside; the spare ones make a multiple of eight, to which
NeMo rounds the vocabulary up, so that random weights choose no token that is none."""
_DEFAULTS_OF_CANARY_1 = [
    {
        "role": "user",
        "slots": {
            "source_lang": "<|en|>", "task": "<|transcribe|>", "target_lang": "<|en|>",
            "pnc": "<|pnc|>",
        },
    }
]  # fmt: skip


def build(
    folder: Path,
    *,
    prompt_format: str = "canary2",
    width: int = WIDTH,
    num_layers: int = 2,
    num_decoder_layers: int = 2,
    num_mels: int = 80,
) -> Any:
    """The model, in evaluation mode."""
    torch.manual_seed(11)
    # Where any model was restored before, NeMo 3.0 would look for an aligner beside it.
    AppState().model_restore_path = None
    config = {
        **_rest(_tokenizers(folder, prompt_format), width, num_decoder_layers),
        "preprocessor": {**PREPROCESSOR, "features": num_mels},
        "encoder": {**encoder(width, num_layers), "feat_in": num_mels},
    }
    if prompt_format == "canary":
        config |= {"prompt_format": "canary", "prompt_defaults": _DEFAULTS_OF_CANARY_1}
    return EncDecMultiTaskModel(cfg=OmegaConf.create(config)).eval()


def enliven(model: Any) -> None:
    """Weights so large that the words depend on the audio, and are apart in probability."""
    with torch.no_grad():
        for part in (model.encoder, model.transf_decoder):
            for name, weights in part.named_parameters():
                if weights.dim() > 1 and "embedding" not in name:
                    weights.mul_(6)
        head = model.log_softmax.mlp.layer0
        weights = torch.randn(head.weight.shape)
        num_special = len(model.tokenizer.tokenizers_dict["spl_tokens"].vocab)
        weights[:num_special].mul_(0.3)
        head.weight = torch.nn.Parameter(weights)


def save(model: Any, aligner: Any, path: Path) -> None:
    """One `.nemo` with both, as `EncDecMultiTaskModel` looks for them in it."""
    model.save_to(str(path))
    own, folder = path.with_suffix(".aligner.nemo"), path.with_suffix(".parts")
    aligner.save_to(str(own))
    for archive, prefix in ((own, "timestamps_asr_"), (path, "")):
        with tarfile.open(archive) as parts:
            parts.extractall(folder, filter="data")
        if prefix:
            for name in ("model_config.yaml", "model_weights.ckpt"):
                (folder / name).rename(folder / f"{prefix}{name}")
    with tarfile.open(path, "w") as whole:
        whole.add(folder, ".")


def _rest(
    tokenizers: dict[str, dict[str, str]], width: int, num_decoder_layers: int
) -> dict[str, Any]:
    """All that is behind the encoder."""
    return {
        "sample_rate": 16000,
        "label_smoothing": 0.0,
        "log_prediction": False,
        "use_loss_mask_for_prompt": False,
        "prompt_format": "canary2",
        "prompt_defaults": [
            {
                "role": "user",
                "slots": {
                    "decodercontext": "", "source_lang": "<|en|>", "target_lang": "<|en|>",
                    "emotion": "<|emo:undefined|>", "pnc": "<|pnc|>", "itn": "<|noitn|>",
                    "timestamp": "<|notimestamp|>", "diarize": "<|nodiarize|>",
                },
            },
            {"role": "user_partial", "slots": {"decodercontext": ""}},
        ],
        "model_defaults": {
            "asr_enc_hidden": width, "lm_enc_hidden": width, "lm_dec_hidden": width,
        },
        "tokenizer": {
            "dir": None,
            "type": "agg",
            "langs": tokenizers,
            "custom_tokenizer": {
                "_target_": f"{CanaryTokenizer.__module__}.CanaryTokenizer", "tokenizers": None,
            },
        },
        "transf_encoder": {
            "_target_": f"{_ASR}.transformer.transformer_encoders.TransformerEncoder",
            "num_layers": 0, "hidden_size": width, "inner_size": 4 * width,
            "num_attention_heads": 4, "ffn_dropout": 0.1, "attn_score_dropout": 0.1,
            "attn_layer_dropout": 0.1, "mask_future": False, "pre_ln": True,
            "pre_ln_final_layer_norm": True,
        },
        "transf_decoder": {
            "_target_": f"{_ASR}.transformer.get_nemo_transformer", "model_name": None,
            "pretrained": False, "encoder": None, "pre_ln_final_layer_norm": True,
            "config_dict": {
                "max_sequence_length": 512, "num_token_types": 0, "embedding_dropout": 0.1,
                "learn_positional_encodings": False, "hidden_size": width,
                "inner_size": 4 * width, "num_layers": num_decoder_layers,
                "num_attention_heads": 4, "ffn_dropout": 0.1, "attn_score_dropout": 0.1,
                "attn_layer_dropout": 0.1, "hidden_act": "relu", "pre_ln": True,
                "vocab_size": None,
            },
        },
        "head": {
            "_target_": "nemo.collections.asr.parts.submodules.token_classifier.TokenClassifier",
            "num_layers": 1, "activation": "relu", "log_softmax": True, "hidden_size": width,
            "num_classes": None, "dropout": 0.0, "use_transformer_init": True,
        },
        "decoding": {
            "strategy": "beam", "return_best_hypothesis": True,
            "beam": {"beam_size": 1, "len_pen": 0.0, "max_generation_delta": 10},
        },
        "loss": {
            "_target_":
                "nemo.collections.common.losses.smoothed_cross_entropy.SmoothedCrossEntropyLoss",
            "label_smoothing": 0.0, "pad_id": None,
        },
        "optim": {"name": "adamw", "lr": 1e-3},
    }  # fmt: skip


PREPROCESSOR = {
    "_target_": f"{_ASR}.AudioToMelSpectrogramPreprocessor", "sample_rate": 16000,
    "normalize": "per_feature", "window_size": 0.025, "window_stride": 0.01, "window": "hann",
    "features": 80, "n_fft": 512, "log": True, "frame_splicing": 1, "dither": 1e-5, "pad_to": 0,
    "pad_value": 0.0,
}  # fmt: skip


def encoder(width: int, num_layers: int) -> dict[str, Any]:
    return {
        "_target_": f"{_ASR}.ConformerEncoder", "feat_in": PREPROCESSOR["features"],
        "feat_out": -1, "n_layers": num_layers, "d_model": width, "subsampling": "dw_striding",
        "subsampling_factor": 8, "subsampling_conv_channels": min(width, 256),
        "causal_downsampling": False, "ff_expansion_factor": 4,
        "self_attention_model": "rel_pos", "n_heads": 4, "att_context_size": [-1, -1],
        "xscaling": False, "untie_biases": True, "pos_emb_max_len": 5000, "conv_kernel_size": 9,
        "conv_norm_type": "batch_norm", "dropout": 0.1, "dropout_pre_encoder": 0.1,
        "dropout_emb": 0.0, "dropout_att": 0.1,
    }  # fmt: skip


def build_aligner(folder: Path) -> Any:
    """A CTC model over the letters of all languages, as canary-1b-v2 brings one."""
    torch.manual_seed(12)
    config = {
        "sample_rate": 16000, "log_prediction": False, "ctc_reduction": "mean_batch",
        "skip_nan_grad": False, "tokenizer": tokenizer(folder / "aligner"),
        "preprocessor": PREPROCESSOR,
        # More frames than letters: what is longer than its audio cannot be aligned.
        "encoder": {**encoder(WIDTH, 1), "subsampling_factor": 4},
        "decoder": {
            "_target_": f"{_ASR}.ConvASRDecoder", "feat_in": None, "num_classes": -1,
            "vocabulary": [],
        },
        "optim": {"name": "adamw", "lr": 1e-3},
    }  # fmt: skip
    return EncDecCTCModelBPE(cfg=OmegaConf.create(config)).eval()


def _tokenizers(folder: Path, prompt_format: str) -> dict[str, dict[str, str]]:
    special = folder / "spl_tokens"
    special.mkdir(parents=True)
    tokens = [*_SPECIAL, *(_OF_CANARY_1 if prompt_format == "canary" else ())]
    CanaryTokenizer.build_special_tokenizer(tokens, special)
    spoken = {language: tokenizer(folder / language) for language in LANGUAGES}
    return {"spl_tokens": {"dir": str(special), "type": "bpe"}, **spoken}


def tokenizer(folder: Path) -> dict[str, str]:
    """One piece for each letter, and one for each letter at a word's start."""
    folder.mkdir(parents=True)
    text = folder / "letters.txt"
    text.write_text(_LETTERS + "\n")
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(folder / "tokenizer"), model_type="char",
        vocab_size=2 + 2 * len(_LETTERS), character_coverage=1.0, minloglevel=2,
        user_defined_symbols=[f"▁{letter}" for letter in _LETTERS],
        bos_id=-1, eos_id=-1, pad_id=-1, unk_id=0,
    )  # fmt: skip
    pieces = sentencepiece.SentencePieceProcessor(str(folder / "tokenizer.model"))
    names = [pieces.id_to_piece(index) for index in range(1, pieces.vocab_size())]
    (folder / "vocab.txt").write_text("\n".join(names) + "\n")
    return {"dir": str(folder), "type": "bpe"}
