"""A model of middle size with random weights: built once, kept in `.chorus/`, served as any other.

A FastConformer TDT of the shape of NVIDIA's, half as deep and half as wide as the 0.6 B one. What
it costs is real, and what it says is nothing: the joint leans so far towards blank that a decoder
walks over each recording without a word, which costs the least that a decoder can. So the engine is
as cheap as it may be beside the server, and the server as dear as it may be beside the engine.
"""

import tarfile
import tempfile
from pathlib import Path

import yaml

from loadtest.bench.load import BenchError
from serve_app.config import BatchConfig, ModelConfig
from serve_app.models.loader import PROJECT_ROOT

NAME = "midsize-random"
CHECKPOINT = Path(".chorus/bench/midsize-random.nemo")
"""From the project's root."""

_NUM_LAYERS, _WIDTH, _NUM_HEADS, _JOINT = 12, 512, 8, 320
_TINY = PROJECT_ROOT / "tiny"
_BLANK_BIAS, _ONE_FRAME_BIAS = 100.0, 100.0
"""Above any logit of random weights."""


def midsize_model() -> ModelConfig:
    """Its entry under `models:`, with the checkpoint built where there is none yet.

    Raises:
        BenchError: NeMo could not build it.
    """
    path = PROJECT_ROOT / CHECKPOINT
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        _build(path)
    return ModelConfig(
        name=NAME,
        kind="parakeet",
        checkpoint=str(CHECKPOINT),
        languages=("en",),
        batch=BatchConfig(max_batch_audio_s=60.0, max_batch_size=16),
    )


def config_of(model: ModelConfig, folder: Path) -> Path:
    """A config file in `folder` that serves `model` alone, as `configs/tiny.yaml` serves its own.

    The model's deployment is that of parakeet-tiny under another name.
    """
    document = yaml.safe_load((PROJECT_ROOT / "configs/tiny.yaml").read_text())
    application = document["applications"][0]
    application["args"]["models"] = [model.model_dump(mode="json")]
    kept = [each for each in application["deployments"] if "tiny" not in each["name"]]
    like = next(each for each in application["deployments"] if each["name"] == "parakeet-tiny")
    application["deployments"] = [*kept, {**like, "name": model.name}]
    path = folder / f"{model.name}.yaml"
    path.write_text(yaml.safe_dump(document))
    (folder / "ray.env").write_text((PROJECT_ROOT / "configs/ray.env").read_text())
    return path


def _build(path: Path) -> None:
    import torch
    from nemo.collections.asr.models import EncDecRNNTBPEModel
    from omegaconf import OmegaConf

    torch.manual_seed(7)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = _tokenizer(Path(folder))
        try:
            model = EncDecRNNTBPEModel(cfg=OmegaConf.create(_shape(tokenizer)))
        except Exception as error:  # NeMo's own errors are many; all of them mean this
            raise BenchError(f"NeMo could not build {NAME}: {error}") from error
        with torch.no_grad():
            bias = model.joint.joint_net[-1].bias
            num_durations = len(model.cfg.model_defaults.tdt_durations)
            bias[-num_durations - 1] += _BLANK_BIAS
            bias[-num_durations + 1] += _ONE_FRAME_BIAS
        unfinished = path.with_suffix(".part.nemo")
        model.save_to(str(unfinished))
    unfinished.replace(path)


def _tokenizer(folder: Path) -> Path:
    """That of parakeet-tiny, out of its checkpoint."""
    with tarfile.open(_TINY / "weights/parakeet-tiny.nemo") as archive:
        for member in archive.getmembers():
            name = Path(member.name).name.partition("_")[2] or Path(member.name).name
            content = archive.extractfile(member)
            if content is not None and name in ("tokenizer.model", "vocab.txt", "tokenizer.vocab"):
                (folder / name).write_bytes(content.read())
    return folder


def _shape(tokenizer: Path) -> dict[str, object]:
    """The recipe of parakeet-tiny, deeper and wider, as a transducer alone."""
    shape = yaml.safe_load((_TINY / "parakeet/parakeet.yaml").read_text())
    for name in ("aux_ctc", "ctc_reduction", "spec_augment"):
        shape.pop(name, None)
    shape["rnnt_reduction"] = "mean_volume"
    shape["compute_eval_loss"] = False
    shape["model_defaults"] |= {
        "enc_hidden": _WIDTH, "pred_hidden": _JOINT, "joint_hidden": _JOINT,
    }  # fmt: skip
    shape["tokenizer"]["dir"] = str(tokenizer)
    shape["encoder"] |= {
        "n_layers": _NUM_LAYERS, "d_model": _WIDTH, "n_heads": _NUM_HEADS,
        "subsampling_conv_channels": 256,
    }  # fmt: skip
    shape["decoder"]["prednet"]["pred_hidden"] = _JOINT
    shape["joint"]["jointnet"] |= {
        "joint_hidden": _JOINT, "encoder_hidden": _WIDTH, "pred_hidden": _JOINT,
    }  # fmt: skip
    return dict(shape)
