"""A small Sortformer with random weights, of the shape of NeMo's streaming one: it knows nobody.

The configuration is that of NeMo's recipe for `diar_streaming_sortformer_4spk-v2`, with fewer and
narrower layers and shorter steps.
"""

from typing import Any

import torch
from nemo.collections.asr.models import SortformerEncLabelModel
from omegaconf import OmegaConf

from tests.models.random_canary import PREPROCESSOR, encoder

_ASR = "nemo.collections.asr"
WIDTH, NARROW = 64, 32
NUM_MELS = 128
STEPS = {
    "spkcache_len": 40, "fifo_len": 10, "chunk_len": 12, "spkcache_update_period": 11,
    "chunk_left_context": 1, "chunk_right_context": 2, "spkcache_sil_frames_per_spk": 3,
}  # fmt: skip
"""In frames of 80 ms: a step of a second, a memory of three seconds."""


def build(
    *, normalize: str = "NA", streaming_mode: bool = True, async_streaming: bool = False,
    **steps: int,
) -> Any:  # fmt: skip
    """The model, in evaluation mode; its probabilities depend on the audio, and go up and down."""
    torch.manual_seed(21)
    config = {
        "sample_rate": 16000, "pil_weight": 0.5, "ats_weight": 0.5, "max_num_of_spks": 4,
        "streaming_mode": streaming_mode, "async_streaming": async_streaming,
        "model_defaults": {"fc_d_model": WIDTH, "tf_d_model": NARROW},
        "preprocessor": {**PREPROCESSOR, "features": NUM_MELS, "normalize": normalize},
        "encoder": {
            **encoder(WIDTH, 2), "feat_in": NUM_MELS, "att_context_style": "regular",
            "xscaling": True,
        },
        "sortformer_modules": {
            "_target_": f"{_ASR}.modules.sortformer_modules.SortformerModules", "num_spks": 4,
            "dropout_rate": 0.5, "fc_d_model": WIDTH, "tf_d_model": NARROW, **STEPS, **steps,
        },
        "transformer_encoder": {
            "_target_": f"{_ASR}.modules.transformer.transformer_encoders.TransformerEncoder",
            "num_layers": 2, "hidden_size": NARROW, "inner_size": 2 * NARROW,
            "num_attention_heads": 4, "attn_score_dropout": 0.5, "attn_layer_dropout": 0.5,
            "ffn_dropout": 0.5, "hidden_act": "relu", "pre_ln": False,
            "pre_ln_final_layer_norm": True,
        },
        "loss": {
            "_target_": f"{_ASR}.losses.bce_loss.BCELoss", "weight": None, "reduction": "mean",
        },
        "optim": {"name": "adamw", "lr": 1e-4},
    }  # fmt: skip
    model = SortformerEncLabelModel(cfg=OmegaConf.create(config)).eval()
    with torch.no_grad():
        model.sortformer_modules.single_hidden_to_spks.weight.mul_(8)
    return model
