"""What NeMo's greedy decoders find, as pieces of the vocabulary with their encoder frames.

The offline models and the streaming ones share it.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from nemo.collections.asr.models import EncDecHybridRNNTCTCModel
from omegaconf import open_dict

from serve_app.models.offline.words import TimedPiece


def vocabulary_of(model: Any) -> list[str]:
    """The pieces by their ids; the id after the last is blank."""
    tokenizer = model.tokenizer
    return [str(tokenizer.ids_to_tokens([i])[0]) for i in range(tokenizer.vocab_size)]


def pieces_of(hypothesis: Any, vocabulary: Sequence[str]) -> Iterator[TimedPiece]:
    """The pieces of a transducer's hypothesis, made as `keep_times_and_confidences` has it made."""
    ids = [int(index) for index in hypothesis.y_sequence]
    starts = [int(frame) for frame in hypothesis.timestamp]
    spans = [int(span) for span in hypothesis.token_duration] or [1] * len(ids)
    confidences = hypothesis.non_blank_step_confidence_precomputed
    for index, start, span, confidence in zip(ids, starts, spans, confidences, strict=True):
        yield TimedPiece(
            vocabulary[index],
            start,
            start + max(span, 1),
            _probability(confidence, len(vocabulary) + 1),
        )


def _probability(confidence: float, num_classes: int) -> float:
    """Undo NeMo's scaling of `max_prob` confidences (chance is 0 there), back to softmax.

    Source: `asr_confidence_utils.get_confidence_measure_bank`, `(p·V − 1) / (V − 1)`.
    """
    return (float(confidence) * (num_classes - 1) + 1) / num_classes


def extend_by_best_path(
    pieces: list[TimedPiece],
    ids: Sequence[int],
    probabilities: Sequence[float],
    vocabulary: Sequence[str],
    *,
    before: int,
    first_frame: int = 0,
) -> int:
    """Add what CTC finds: the likeliest piece of each frame, repeats joined, blanks left out.

    `before` is the id of the frame before; the id of the last frame is returned.
    """
    blank = len(vocabulary)
    frames = enumerate(zip(ids, probabilities, strict=True), start=first_frame)
    for frame, (index, probability) in frames:
        if index != blank and index == before:
            last = pieces[-1]
            likeliest = max(last.probability, probability)
            pieces[-1] = TimedPiece(last.piece, last.start_frame, frame + 1, likeliest)
        elif index != blank:
            pieces.append(TimedPiece(vocabulary[index], frame, frame + 1, probability))
        before = index
    return before


def keep_times_and_confidences(model: Any, *, cuda_graphs: bool) -> None:
    """Decode the batch at once and greedily, and keep frames, spans and probabilities.

    Without CUDA graphs, NeMo 3.0's batched TDT loop forgets the duration of a token while other
    rows of the batch still look for theirs (`tdt_label_looping.py`: `durations` is overwritten for
    all rows), so a word's end would depend on its company. Recording every step, which counting
    blanks as confidence makes it do, keeps the duration that belongs to each token.
    """
    decoding = model.cfg.decoding.copy()
    with open_dict(decoding):
        decoding.strategy = "greedy_batch"
        decoding.tdt_include_token_duration = True
        decoding.greedy.loop_labels = True
        decoding.greedy.use_cuda_graph_decoder = cuda_graphs
        decoding.confidence_cfg = {
            "preserve_frame_confidence": True,
            "exclude_blank": cuda_graphs,
            "method_cfg": {"name": "max_prob", "alpha": 1.0},
        }
    if isinstance(model, EncDecHybridRNNTCTCModel):
        model.change_decoding_strategy(decoding, decoder_type="rnnt", verbose=False)
    else:
        model.change_decoding_strategy(decoding, verbose=False)
