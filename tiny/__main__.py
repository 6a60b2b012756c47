"""Train, evaluate and describe the tiny models: `python -m tiny --help`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

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
and the evaluation manifests in tiny/eval/. Two free cores take under an hour; slower ones
stop at --minutes, with the learning rate brought down in time. The log goes to the
terminal, a checkpoint after each epoch to build/tiny/.
"""


def main() -> int:
    arguments = _parser().parse_args()
    result: int = arguments.run(arguments)
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tiny", description=_DESCRIPTION)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    parakeet = commands.add_parser(
        "parakeet",
        help="train and evaluate parakeet-tiny",
        description=_PARAKEET,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parakeet.add_argument("--epochs", type=int, help="passes over the transcripts (default: 8)")
    parakeet.add_argument("--minutes", type=float, help="stop after this long (default: 55)")
    parakeet.add_argument("--seed", type=int, help="what everything is drawn from (default: 1)")
    parakeet.add_argument("--threads", type=int, dest="num_threads", help="of torch (default: 2)")
    parakeet.add_argument(
        "--evaluate-only",
        action="store_true",
        help="leave the weights as they are; measure them again and rewrite the card",
    )
    parakeet.set_defaults(run=_run_parakeet)

    samples = commands.add_parser("samples", help="make tiny/samples/ again (needs ffmpeg)")
    samples.set_defaults(run=_run_samples)

    pack = commands.add_parser("pack", help="make tiny/data/ from a folder of single recordings")
    pack.add_argument("folder", type=Path, help="with {digit}_{speaker}_{take}.wav")
    pack.set_defaults(run=_run_pack)
    return parser


def _run_parakeet(arguments: argparse.Namespace) -> int:
    if any(os.environ.get(name) != value for name, value in TRAINING_ENVIRONMENT.items()):
        # These are read only when a process starts.
        command = [sys.executable, "-m", "tiny", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, **TRAINING_ENVIRONMENT})

    from tiny.release import Release, TrainingOptions

    names = ("epochs", "minutes", "seed", "num_threads")
    chosen = {name: getattr(arguments, name) for name in names}
    options = TrainingOptions(**{k: v for k, v in chosen.items() if v is not None})
    release = Release.parakeet()
    if not arguments.evaluate_only:
        release.train(options, SCRATCH)
    print(release.evaluate(options.seed))
    return 0


def _run_samples(_: argparse.Namespace) -> int:
    from tiny.samples import make_samples

    for sample in make_samples():
        print(f"{sample['file']:24} {sample['text']}")
    return 0


def _run_pack(arguments: argparse.Namespace) -> int:
    from tiny.speech.recordings import pack

    pack(arguments.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
