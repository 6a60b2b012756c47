"""`chorus translate`: files in, their texts in another language out; or, live, speech in, and its
text and sound in another language out.
"""

import argparse
import sys
from pathlib import Path

from serve_app.cli import transcribe
from serve_app.cli.parsers import Commands, add_command
from serve_app.cli.translate.fitting import problem

_EXAMPLES = """\
  chorus translate rede.mp3                        into English
  chorus translate talk.mp3 --to de --format srt > talk.de.srt
  chorus translate *.flac --language fr --to en --output english/
  chorus translate talk.mp3 --from en --to ru --speech russian/
  chorus translate --from en --to ru               the microphone, spoken in Russian
  chorus translate --from en --to ru --both        whichever is spoken, in the other one
  chorus translate --from en --to ru --headphones  without the guard against echoes
"""


def add(commands: Commands) -> None:
    parser = add_command(
        commands,
        "translate",
        help="translate what is spoken in files, or into a microphone, by a running server",
        description="Files: `chorus transcribe --task translate`; the texts are in another\n"
        "language than the speech. With --speech DIR they are spoken as well.\n"
        "Without files: what the microphone hears, utterance by utterance, both texts on the\n"
        "screen and the sound played (with the extra `mic`), until Ctrl-C.\n"
        "`chorus models` shows which model translates what.",
        examples=_EXAMPLES,
    )
    parser.add_argument(
        "--to",
        dest="target_language",
        metavar="CODE",
        help="the language of the text: de, fr-CA, Spanish (default: English)",
    )
    transcribe.add_files(parser, nargs="*")
    live = parser.add_argument_group("speech to speech")
    live.add_argument(
        "--from",
        dest="language",
        metavar="CODE",
        help="what is spoken, as --language (default: the model finds out; an utterance that "
        "cannot be translated into --to fails, and the next ones go on)",
    )
    live.add_argument(
        "--speech",
        type=Path,
        metavar="DIR",
        help="write the sound to DIR, of talk.mp3 into Russian as talk.ru.wav",
    )
    live.add_argument(
        "--both", action="store_true", help="whichever of --from and --to is spoken, in the other"
    )
    live.add_argument("--voice", help="a name that `chorus speak --list-voices` shows")
    live.add_argument("--mute", action="store_true", help="of the microphone: play nothing")
    live.add_argument(
        "--headphones",
        action="store_true",
        help="listen while the translation is played; without, it would be heard again",
    )
    live.add_argument(
        "--device", metavar="D", help="the microphone: its number, or a part of its name"
    )
    parser.set_defaults(run=_run, task="translate")


def _run(args: argparse.Namespace) -> int:
    """The exit status: 1 where something failed, 2 where the arguments do not go together."""
    if complaint := problem(args):
        print(f"chorus translate: {complaint}", file=sys.stderr)
        return 2
    if args.files and args.speech is None:
        return transcribe.run(args)
    from serve_app.cli.translate.running import run

    return run(args)
