"""A small cache-aware hybrid with random weights, in the shape of NVIDIA's streaming ones."""

from pathlib import Path
from typing import Any

import torch
from nemo.collections.asr.models import EncDecHybridRNNTCTCBPEModel
from omegaconf import OmegaConf

from tests.models.random_canary import PREPROCESSOR, encoder, tokenizer

WIDTH = 64
CONTEXTS = [[70, 13], [70, 6], [70, 1], [70, 0]]
_ASR = "nemo.collections.asr.modules"


def build(folder: Path, **of_the_encoder: Any) -> Any:
    """The model, in evaluation mode; it says something of whatever it hears."""
    torch.manual_seed(13)
    config = {
        "sample_rate": 16000, "log_prediction": False, "ctc_reduction": "mean_batch",
        "skip_nan_grad": False, "tokenizer": tokenizer(folder / "letters"),
        "model_defaults": {"enc_hidden": WIDTH, "pred_hidden": WIDTH, "joint_hidden": WIDTH},
        "preprocessor": {**PREPROCESSOR, "normalize": "NA"},
        "encoder": {
            **encoder(WIDTH, 2), "causal_downsampling": True, "conv_norm_type": "layer_norm",
            "conv_context_size": "causal", "att_context_style": "chunked_limited",
            "att_context_size": CONTEXTS, **of_the_encoder,
        },
        "decoder": {
            "_target_": f"{_ASR}.RNNTDecoder", "normalization_mode": None,
            "random_state_sampling": False, "blank_as_pad": True,
            "prednet": {
                "pred_hidden": WIDTH, "pred_rnn_layers": 1, "t_max": None, "dropout": 0.0,
            },
        },
        "joint": {
            "_target_": f"{_ASR}.RNNTJoint", "log_softmax": None, "preserve_memory": False,
            "fuse_loss_wer": False, "fused_batch_size": 1,
            "jointnet": {
                "joint_hidden": WIDTH, "activation": "relu", "dropout": 0.0,
                "encoder_hidden": WIDTH, "pred_hidden": WIDTH,
            },
        },
        "decoding": {"strategy": "greedy_batch", "greedy": {"max_symbols": 10}},
        "aux_ctc": {
            "ctc_loss_weight": 0.3, "use_cer": False, "ctc_reduction": "mean_batch",
            "decoder": {
                "_target_": f"{_ASR}.ConvASRDecoder", "feat_in": WIDTH, "num_classes": -1,
                "vocabulary": [],
            },
            "decoding": {"strategy": "greedy_batch"},
        },
        "loss": {"loss_name": "default", "warprnnt_numba_kwargs": {"fastemit_lambda": 0.0}},
        "optim": {"name": "adamw", "lr": 1e-3},
    }  # fmt: skip
    model = EncDecHybridRNNTCTCBPEModel(cfg=OmegaConf.create(config)).eval()
    _enliven(model)
    return model


def _enliven(model: Any) -> None:
    """Heads that tell apart what the encoder makes of different noises, centred on what it makes of
    them all, so that the words depend on the audio; and enough blank for pauses."""
    with torch.no_grad():
        loudness = torch.rand(8, 50).repeat_interleave(1600, dim=1) ** 3
        noises = torch.randn(8, 80_000) * loudness
        encoded, _ = model(input_signal=noises, input_signal_length=torch.full((8,), 80_000))
        frames = encoded.transpose(1, 2).flatten(0, 1)
        mean, spread = frames.mean(0), frames.std(0)
        joint, ctc = model.joint, model.ctc_decoder.decoder_layers[0]
        for weight, bias in ((joint.enc.weight, joint.enc.bias), (ctc.weight[..., 0], ctc.bias)):
            weight.copy_(torch.randn(weight.shape) / spread / WIDTH**0.5)
            bias.copy_(-weight @ mean)
        ctc.bias[-1] += 3
        joint.pred.weight.copy_(6 * torch.randn(joint.pred.weight.shape) / WIDTH**0.5)
        head = joint.joint_net[-1]
        head.weight.copy_(torch.randn(head.weight.shape) / WIDTH**0.5)
        head.bias.zero_()
        head.bias[-1] = BLANK_BIAS


BLANK_BIAS = 6.0
