"""What a checkpoint's configuration may name: the parts of speech models, and nothing else."""

from collections.abc import Mapping
from typing import Any

import pytest

from serve_app.models.checkpoint_settings import unsafe_settings
from serve_app.models.checkpoint_targets import is_part_of_a_model

_ASR, _COMMON = "nemo.collections.asr", "nemo.collections.common"

PARTS = [
    f"{_ASR}.models.EncDecRNNTBPEModel",
    f"{_ASR}.models.EncDecHybridRNNTCTCBPEModelWithPrompt",
    f"{_ASR}.models.aed_multitask_models.EncDecMultiTaskModel",
    f"{_ASR}.models.ctc_bpe_models.EncDecCTCModelBPE",
    f"{_ASR}.modules.AudioToMelSpectrogramPreprocessor",
    f"{_ASR}.modules.SpectrogramAugmentation",
    f"{_ASR}.modules.ConformerEncoder",
    f"{_ASR}.modules.ConvASREncoder",
    f"{_ASR}.modules.ConvASRDecoder",
    f"{_ASR}.modules.RNNTDecoder",
    f"{_ASR}.modules.RNNTJoint",
    f"{_ASR}.modules.StatelessTransducerDecoder",
    f"{_ASR}.modules.HATJoint",
    f"{_ASR}.modules.ssl_modules.MultiSpeakerNoiseAugmentation",
    f"{_ASR}.modules.transformer.get_nemo_transformer",
    f"{_ASR}.modules.transformer.transformer_encoders.TransformerEncoder",
    f"{_ASR}.parts.submodules.token_classifier.TokenClassifier",
    f"{_ASR}.parts.submodules.adapters.multi_head_attention_adapter_module"
    ".RelPositionMultiHeadAttentionAdapter",
    f"{_ASR}.losses.CTCLossForSSL",
    f"{_ASR}.metrics.WER",
    f"{_ASR}.metrics.bleu.BLEU",
    f"{_COMMON}.losses.smoothed_cross_entropy.SmoothedCrossEntropyLoss",
    f"{_COMMON}.parts.adapter_modules.LinearAdapter",
    f"{_COMMON}.tokenizers.SentencePieceTokenizer",
    f"{_COMMON}.tokenizers.canary_tokenizer.CanaryTokenizer",
    f"{_COMMON}.tokenizers.canary_tokenizer.CanaryBPETokenizer",
    "nemo.core.classes.mixins.adapter_mixin_strategies.ResidualAddAdapterStrategy",
    "nemo.core.optim.CosineAnnealing",
    "nemo.core.optim.optimizers.Novograd",
    "torch.nn.ReLU",
    "torch.nn.modules.loss.CrossEntropyLoss",
    "torch.optim.AdamW",
    "torch.optim.lr_scheduler.OneCycleLR",
]


@pytest.mark.parametrize("target", PARTS)
def test_what_speech_models_name_may_be_called(target: str) -> None:
    assert is_part_of_a_model(target)


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "subprocess.Popen",
        "builtins.eval",
        "nemo.core.classes.common.os.system",
        "nemo.core.classes.common.import_class_by_path",
        "nemo.core.classes.common.safe_instantiate",
        "nemo.core.classes.modelPT.ModelPT",
        "nemo.core.optim.lr_scheduler.partial",
        "nemo.core.optim.prepare_lr_scheduler",
        "nemo.utils.exp_manager.os.system",
        f"{_ASR}.models.ClusteringDiarizer",
        f"{_ASR}.models.ctc_models.os",
        f"{_ASR}.models.ctc_models.tempfile.mkdtemp",
        f"{_ASR}.modules._private",
        f"{_ASR}..modules.X",
        f"{_ASR}.modules.Nowhere",
        f"{_ASR}.modules.flashlight_decoder.FlashLightKenLMBeamSearchDecoder",
        f"{_ASR}.parts.submodules.ngram_lm.NGramGPULanguageModel",
        f"{_ASR}.parts.submodules.ngram_lm.kenlm_utils.write_dataset",
        f"{_ASR}.parts.utils.diarization_utils.write_txt",
        f"{_ASR}.parts.utils.manifest_utils.write_file",
        f"{_ASR}.parts.utils.manifest_utils.write_manifest",
        f"{_COMMON}.tokenizers.AutoTokenizer",
        f"{_COMMON}.tokenizers.huggingface.auto_tokenizer.AutoTokenizer",
        f"{_COMMON}.tokenizers.canary_tokenizer.CanaryTokenizer.build_special_tokenizer",
        f"{_COMMON}.tokenizers.sentencepiece_tokenizer.create_spt_model",
        f"{_COMMON}.tokenizers.tokenizer_utils.get_nmt_tokenizer",
        "nemo.collections.nowhere.X",
        "nemo_evil.X",
        "torch.load",
        "torch.hub.load",
        "torch.nn.functional.handle_torch_function",
        "torch.nn.functional.os.system",
        "torch.nn.modules.module.warnings",
        "hydra.utils.call",
        "${encoder._target_}",
        "",
        7,
        ["os.system"],
        {"a": "os.system"},
    ],
)
def test_nothing_else_is_called(target: object) -> None:
    config = {"preprocessor": {"steps": [{"deep": {"_target_": target, "command": "id"}}]}}
    (first, *_) = unsafe_settings(config)
    assert first == f"would call {target!r} at preprocessor.steps.0.deep._target_"


UNSAFE: Mapping[str, Mapping[str, Any]] = {
    "would fetch by trust_remote_code": {"encoder": {"trust_remote_code": True}},
    "would fetch by pretrained_model_name": {"a": [{"pretrained_model_name": "us/it"}]},
    "would fetch by hf_kwargs": {"tokenizer": {"hf_kwargs": {"use_fast": True}}},
    "would fetch by restore_from": {"restore_from": "other"},
    "would fetch by from_pretrained": {"decoder": {"from_pretrained": "other"}},
    "would fetch by pretrained True": {"decoder": {"pretrained": True}},
    "would read '/etc/passwd'": {"tokenizer": {"model_path": "/etc/passwd"}},
    "would read '../v.txt'": {"tokenizer": {"langs": {"en": {"vocab_path": "../v.txt"}}}},
    "would read '~/v.txt'": {"tokenizer": {"spe_tokenizer_vocab": "~/v.txt"}},
    "would read '../../etc'": {"tokenizer": {"dir": "../../etc", "type": "bpe"}},
    "would read '/etc'": {"tokenizer": {"dir": "/etc", "type": "bpe", "vocab_path": "nemo:v"}},
    "would read '${other}'": {"other": "/etc/passwd", "tokenizer": {"model_path": "${other}"}},
    "would read 'nemo:a/../..'": {"anything": "nemo:a/../.."},
    "would read 'lm.nemo'": {"decoding": {"greedy": {"ngram_lm_model": "lm.nemo"}}},
    "would read 's3://us/lm.arpa'": {"decoding": {"beam": {"kenlm_path": "s3://us/lm.arpa"}}},
    "would compute '${oc.env:HOME}'": {"a": "${oc.env:HOME}"},
    "would compute '${oc.create:{_target_:os.system}}'": {
        "spec_augment": "${oc.create:{_target_:os.system}}"
    },
    "would compute '${a}${b}'": {"a": "$", "b": "{oc.env:HOME}", "c": "${a}${b}"},
    "would compute '$${a}'": {"a": "{oc.env:HOME}", "c": "$${a}"},
    "would compute '${a}{oc.env:HOME}'": {"a": "$", "c": "${a}{oc.env:HOME}"},
    "would compute '\\\\${oc.env:HOME}'": {"c": "\\${oc.env:HOME}"},
    "would compute '${oc.${a}:HOME}'": {"a": "env", "c": "${oc.${a}:HOME}"},
}


@pytest.mark.parametrize("what", UNSAFE)
def test_what_fetches_reads_or_computes_is_named(what: str) -> None:
    assert any(found.startswith(what) for found in unsafe_settings(UNSAFE[what]))


def test_what_real_checkpoints_keep_of_their_training_is_harmless() -> None:
    config = {
        "sample_rate": 16000,
        "labels": ["$", "{", "a"],
        "train_ds": {
            "manifest_filepath": ["/data/train.json", "../more.json", "s3://us/it.json"],
            "tarred_audio_filepaths": "/data/${name}/audio_{0..511}.tar",
            "sample_rate": "${sample_rate}",
            "augmentor": {"noise": {"manifest_path": "/data/noise.json"}},
        },
        "tokenizer": {
            "dir": "/home/us/tokenizers/../bpe", "type": "bpe", "hf_kwargs": {},
            "model_path": "nemo:0a_tokenizer.model", "vocab_path": "nemo:0a_vocab.txt",
        },
        "langs": {"dir": "/home/us", "type": "agg", "langs": {}},
        "transf_decoder": {"pretrained": False, "model_name": None, "trust_remote_code": None},
        "decoding": {"beam": {"kenlm_path": None, "ngram_lm_model": ""}},
        "target": {"a": 1},
    }  # fmt: skip
    assert not list(unsafe_settings(config))
