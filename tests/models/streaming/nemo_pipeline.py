"""NeMo's own cache-aware pipeline, on one stream that no idea of an utterance's end cuts short."""

from typing import Any

import torch
from nemo.collections.asr.inference.factory.pipeline_builder import PipelineBuilder
from nemo.collections.asr.inference.streaming.framing.request import Frame
from nemo.collections.asr.inference.streaming.framing.request_options import ASRRequestOptions
from omegaconf import OmegaConf

from tests.models.streaming.streams import Samples

_SETTINGS = {
    "asr": {
        "device": "cpu", "device_id": 0, "compute_dtype": "float32", "use_amp": False,
        "decoding": {
            "strategy": "greedy_batch", "preserve_alignments": False, "fused_batch_size": -1,
            "greedy": {
                "use_cuda_graph_decoder": False, "enable_per_stream_biasing": False,
                "preserve_frame_confidence": False, "max_symbols": 10, "ngram_lm_model": None,
                "ngram_lm_alpha": 0.0, "boosting_tree_alpha": 0.0,
                "boosting_tree": {
                    "model_path": None, "key_phrases_file": None, "key_phrases_list": None,
                },
            },
        },
    },
    "itn": {
        "input_case": "lower_cased", "whitelist": None, "overwrite_cache": False,
        "max_number_of_permutations_per_split": 729, "left_padding_size": 4, "batch_size": 32,
        "n_jobs": 1,
    },
    "confidence": {
        "exclude_blank": True, "aggregation": "mean",
        "method_cfg": {
            "name": "entropy", "entropy_type": "tsallis", "alpha": 0.5, "entropy_norm": "exp",
        },
    },
    "endpointing": {"stop_history_eou": -1, "residue_tokens_at_end": 2},
    "streaming": {
        "sample_rate": 16000, "batch_size": 1, "word_boundary_tolerance": 4,
        "request_type": "frame", "use_cache": True, "use_feat_cache": True,
        "chunk_size_in_secs": None, "num_slots": 1,
    },
    "matmul_precision": "highest", "log_level": 40, "pipeline_type": "cache_aware",
    "asr_decoding_type": "rnnt", "enable_itn": False, "enable_nmt": False,
    "asr_output_granularity": "word", "cache_dir": None, "lang": None,
    "return_tail_result": False,
}  # fmt: skip


def build(checkpoint: str, context: tuple[int, int]) -> Any:
    settings = OmegaConf.create(_SETTINGS)
    settings.asr.model_name = checkpoint
    settings.streaming.att_context_size = list(context)
    return PipelineBuilder.build_pipeline(settings)


def speak(pipeline: Any, samples: Samples, step_samples: int) -> str:
    pipeline.open_session()
    waveform = torch.tensor(samples.astype("float32") / 32768.0)
    said = ""
    for start in range(0, len(waveform), step_samples):
        piece = waveform[start : start + step_samples]
        frame = Frame(
            samples=torch.nn.functional.pad(piece, (0, step_samples - len(piece))),
            stream_id=0,
            is_first=start == 0,
            is_last=start + step_samples >= len(waveform),
            length=len(piece),
            options=ASRRequestOptions() if start == 0 else None,
        )
        said += pipeline.transcribe_step([frame])[0].final_transcript
    pipeline.close_session()
    return said.strip()
