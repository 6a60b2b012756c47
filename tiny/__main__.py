"""Train, evaluate and describe the tiny models: `python -m tiny --help`."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

SCRATCH = Path(__file__).parent.parent / "build" / "tiny"

TRAINING_ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": "4000000000",
    "MALLOC_TRIM_THRESHOLD_": "16000000000",
    "MALLOC_TOP_PAD_": "500000000",
    "OMP_WAIT_POLICY": "PASSIVE",
}
"""glibc keeps large tensors in the heap, so that a training step takes half as long; a
thread that waits for another sleeps, so that other work on the machine hurts less."""

_DESCRIPTION = """\
Train the tiny models that ship with the server, on the CPU, from nothing but this folder
and espeak-ng. Every run evaluates what it made and writes its model card with the figures.
"""

_PARAKEET = """\
Train parakeet-tiny, a hybrid TDT-CTC model of English voice commands and digit strings.

Writes tiny/weights/parakeet-tiny.nemo with its card (.md, .json) and training manifest,
and the evaluation manifests in tiny/parakeet/eval/. Without options: 6 epochs, 32 minutes
at the most, with the learning rate brought down in time. `make tiny` adds stages that
`--continue`. The log goes to the terminal, a checkpoint after each epoch to build/tiny/.
"""

_STREAMING = """\
Train parakeet-streaming-tiny, a cache-aware hybrid RNNT-CTC model of the same language, for
words while they are spoken, with a look-ahead of 0, 80, 480 or 1040 ms.

Writes tiny/weights/parakeet-streaming-tiny.nemo with its card (.md, .json) and training
manifest, and the evaluation manifest in tiny/streaming/eval/. Without options: 5 epochs, 40
minutes at the most, with the learning rate brought down in time. It begins with the weights
of parakeet-tiny as they lie in tiny/weights/.
"""

_CANARY = """\
Train canary-tiny, a multitask model of five languages: recognition, translation from and
to English, language identification, with an aligner inside.

Writes tiny/weights/canary-tiny.nemo with its card (.md, .json) and training manifest, and
the evaluation manifests in tiny/canary/eval/. The speech is made first (a few minutes, four
gigabytes in build/tiny/canary/, kept for the next time). Without options: 6 epochs, 50
minutes at the most, with the learning rate brought down in time. It begins with the encoder
of parakeet-tiny as it lies in tiny/weights/.
"""


def main() -> int:
    arguments = _parser().parse_args()
    result: int = arguments.run(arguments)
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tiny", description=_DESCRIPTION)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    for name, brief, description in (
        ("parakeet", "train and evaluate parakeet-tiny", _PARAKEET),
        ("streaming", "train and evaluate parakeet-streaming-tiny", _STREAMING),
        ("canary", "train and evaluate canary-tiny", _CANARY),
    ):
        trained = commands.add_parser(
            name,
            help=brief,
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        _add_training_arguments(trained)
        trained.set_defaults(run=_run_training, model=name)

    samples = commands.add_parser("samples", help="make tiny/samples/ again (needs ffmpeg)")
    samples.set_defaults(run=_run_samples)

    pack = commands.add_parser("pack", help="make tiny/data/ from a folder of single recordings")
    pack.add_argument("folder", type=Path, help="with {digit}_{speaker}_{take}.wav")
    pack.set_defaults(run=_run_pack)
    return parser


def _add_training_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--epochs", type=int, help="passes over what is said")
    add("--minutes", type=float, help="stop after this long")
    add("--seed", type=int, help="what everything is drawn from (default: 1)")
    add("--threads", type=int, dest="num_threads", help="of torch (default: 2)")
    add(
        "--continue",
        action="store_true",
        dest="goes_on",
        help="start from the weights that lie there, at a quarter of the learning rate",
    )
    add(
        "--evaluate-only",
        action="store_true",
        help="leave the weights as they are; measure them again and rewrite the card",
    )


def _run_training(arguments: argparse.Namespace) -> int:
    _restart_with_training_environment()
    trained = importlib.import_module(f"tiny.{arguments.model}.release")
    defaults = importlib.import_module(f"tiny.{arguments.model}.train").OPTIONS
    options = replace(defaults, **_chosen(arguments))
    if arguments.goes_on:
        options = replace(options, peak_learning_rate=options.peak_learning_rate / 4)
    if not arguments.evaluate_only:
        scratch = SCRATCH / arguments.model
        trained.train_release(options, scratch, goes_on=arguments.goes_on)
    print(trained.evaluate_release(options.seed))
    return 0


def _restart_with_training_environment() -> None:
    """Start this command anew if it must: the variables are read when a process starts."""
    if any(os.environ.get(name) != value for name, value in TRAINING_ENVIRONMENT.items()):
        command = [sys.executable, "-m", "tiny", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, **TRAINING_ENVIRONMENT})


def _chosen(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the training options that were given; the others keep their defaults."""
    names = ("epochs", "minutes", "seed", "num_threads")
    given = {name: getattr(arguments, name) for name in names}
    return {name: value for name, value in given.items() if value is not None}


def _run_samples(_: argparse.Namespace) -> int:
    from tiny.canary.samples import make_samples as make_canary_samples
    from tiny.parakeet.samples import make_samples

    for sample in (*make_samples(), *make_canary_samples()):
        print(f"{sample['file']:24} {sample['text']}")
    return 0


def _run_pack(arguments: argparse.Namespace) -> int:
    from tiny.speech.recordings import pack

    pack(arguments.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
