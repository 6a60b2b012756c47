"""The two models of canary-tiny, and the one file they ship in.

The file is what `nvidia/canary-1b-v2` is, only smaller: an `EncDecMultiTaskModel`, with the
CTC model that aligns its transcripts under the names that NeMo looks for.
"""

from __future__ import annotations

import io
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from nemo.collections.asr.models import ASRModel, EncDecCTCModelBPE, EncDecMultiTaskModel
from nemo.utils import logging as nemo_logging
from omegaconf import OmegaConf

from tiny.canary.speech.phrases import LANGUAGES

HERE = Path(__file__).parent

_ALIGNER_NAMES = {
    "model_config.yaml": "timestamps_asr_model_config.yaml",
    "model_weights.ckpt": "timestamps_asr_model_weights.ckpt",
}
"""What the aligner's files are called inside a Canary, by what they are called alone."""


@dataclass(frozen=True, slots=True)
class Models:
    """While they train, both share the encoder of `canary`."""

    canary: EncDecMultiTaskModel
    aligner: EncDecCTCModelBPE

    def num_parameters(self) -> dict[str, int]:
        counted = {"canary": self.canary, "aligner": self.aligner}
        return {name: sum(p.numel() for p in model.parameters()) for name, model in counted.items()}


def build_models(tokenizers: Path, seed: int) -> Models:
    """Build both with random weights; `tokenizers` is what `tokens.build_tokenizers` wrote."""
    torch.manual_seed(seed)
    nemo_logging.setLevel(nemo_logging.ERROR)
    config = OmegaConf.load(HERE / "canary.yaml")
    config.tokenizer.langs = {
        name: {"dir": str(tokenizers / name), "type": "bpe"} for name in ("spl_tokens", *LANGUAGES)
    }
    aligner_config = OmegaConf.load(HERE / "aligner.yaml")
    aligner_config.tokenizer.dir = str(tokenizers / "aligner")
    for shared in ("preprocessor", "spec_augment", "encoder"):
        aligner_config[shared] = config[shared]
    canary = EncDecMultiTaskModel(cfg=config)
    aligner = EncDecCTCModelBPE(cfg=aligner_config)
    aligner.encoder = canary.encoder
    return Models(canary, aligner)


def take_encoder(models: Models, weights: Path) -> None:
    """Give both the encoder of a trained model: one that tells words apart already.

    NVIDIA's Canaries begin with the encoder of a recogniser, too.
    """
    teacher = ASRModel.restore_from(str(weights), map_location="cpu")
    models.canary.encoder.load_state_dict(teacher.encoder.state_dict())


def go_on_from(models: Models, weights: Path) -> None:
    """Give both what a file of `save` holds."""
    before = ASRModel.restore_from(str(weights), map_location="cpu")
    state = before.state_dict()
    own = {name: state[name] for name in models.canary.state_dict()}
    models.canary.load_state_dict(own)
    aligner = before.timestamps_asr_model
    models.aligner.decoder.load_state_dict(aligner.decoder.state_dict())


def save(models: Models, path: Path) -> None:
    """Write one `.nemo` file with both models, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as name:
        folder = Path(name)
        models.canary.save_to(str(folder / "canary.nemo"))
        models.aligner.save_to(str(folder / "aligner.nemo"))
        with tarfile.open(folder / path.name, "w") as archive:
            _copy(folder / "canary.nemo", archive, {})
            _copy(folder / "aligner.nemo", archive, _ALIGNER_NAMES)
        (folder / path.name).replace(path)


def _copy(source: Path, archive: tarfile.TarFile, new_names: dict[str, str]) -> None:
    with tarfile.open(source) as opened:
        for member in opened.getmembers():
            content = opened.extractfile(member) if member.isfile() else None
            if content is not None:
                name = Path(member.name).name
                entry = tarfile.TarInfo(f"./{new_names.get(name, name)}")
                data = content.read()
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))


def encode_prompt(
    canary: EncDecMultiTaskModel, source: str, target: str, *, pnc: bool
) -> list[int]:
    """Return the ids of the whole prompt, by the checkpoint's own formatter."""
    slots = {
        "decodercontext": "",
        "emotion": "<|emo:undefined|>",
        "source_lang": source,
        "target_lang": target,
        "pnc": "yes" if pnc else "no",
        "itn": "no",
        "timestamp": "no",
        "diarize": "no",
        "prompt_language": "spl_tokens",
    }
    dialog = canary.prompt.encode_dialog([{"role": "user", "slots": slots}])
    return list(map(int, dialog["context_ids"]))
