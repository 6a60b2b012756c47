"""`chorus keys`: API keys and their entries in a keys file."""

import argparse
import sys
from datetime import date, datetime
from pathlib import Path

from serve_app.cli.parsers import Commands, add_command, positive_float, positive_int


def add(commands: Commands) -> None:
    parser = add_command(
        commands,
        "keys",
        help="make API keys, and check the file that they stand in",
        description="Make API keys, and check the file that they stand in. A server reads the\n"
        "file that its configuration names (`auth: {keys_file: …}`) again when it changes, so a\n"
        "key is taken back by taking its entry out.",
        examples="  chorus keys new alice --file configs/keys/keys.yaml\n"
        "  chorus keys check configs/keys/keys.yaml\n",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    _add_new(actions)
    _add_check(actions)


def _add_new(actions: Commands) -> None:
    parser = add_command(
        actions,
        "new",
        help="make a key",
        description="Print a new key, once: nobody can find it out again. Its entry, which holds\n"
        "only its hash, is printed below it, or with --file added to that file; then the key\n"
        "is all that is printed. A limit that is not given is none.",
        examples="  chorus keys new alice\n"
        "  chorus keys new kiosk --concurrent-streams 2 --audio-s-per-day 36000\n"
        "  CHORUS_API_KEY=$(chorus keys new ci --expires 2027-01-01 --file keys.yaml)\n",
    )
    parser.add_argument("name", help="whose it is; stands in the audit log")
    parser.add_argument("--requests-per-minute", type=positive_float, metavar="N")
    parser.add_argument("--audio-s-per-day", type=positive_float, metavar="S")
    parser.add_argument("--concurrent-streams", type=positive_int, metavar="N")
    parser.add_argument(
        "--expires", type=_moment, metavar="DATE", help="0:00 UTC of a day, or a moment: ISO 8601"
    )
    parser.add_argument("--file", type=Path, help="the keys file to add it to; made if missing")
    parser.set_defaults(run=_new)


def _add_check(actions: Commands) -> None:
    parser = add_command(
        actions,
        "check",
        help="say what is wrong with a keys file",
        description="Check a keys file as strictly as a server does. Exit status 1 if it is wrong.",
        examples="  chorus keys check configs/keys/keys.yaml\n",
    )
    parser.add_argument("file", type=Path, help="a keys file")
    parser.set_defaults(run=_check)


def _new(args: argparse.Namespace) -> int:
    from serve_app.errors import ConfigError
    from serve_app.ingress.auth import keyfile
    from serve_app.ingress.auth.keys import new_key, sha256_of

    key = new_key()
    given = {
        "name": args.name,
        "sha256": sha256_of(key),
        "requests_per_minute": args.requests_per_minute,
        "audio_s_per_day": args.audio_s_per_day,
        "concurrent_streams": args.concurrent_streams,
        "expires": args.expires,
    }
    entry = {name: value for name, value in given.items() if value is not None}
    try:
        text = keyfile.entry_text(entry)
        if args.file is not None:
            keyfile.append(args.file, entry)
    except ConfigError as error:
        print(f"chorus keys new: {error}", file=sys.stderr)
        return 1
    if args.file is not None:
        print(key)
        print(f"added {args.name} to {args.file}; the key is shown this once", file=sys.stderr)
    else:
        print(f"{key}\n\nkeys:\n{text}", end="")
        print("the key is shown this once; the entry goes into the keys file", file=sys.stderr)
    return 0


def _check(args: argparse.Namespace) -> int:
    import time

    from serve_app.errors import ConfigError
    from serve_app.ingress.auth.keys import read_keys

    try:
        keys = read_keys(args.file)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    for key in keys:
        if key.has_expired(time.time()):
            print(f"{key.name}: expired {key.expires}", file=sys.stderr)
    print(f"{args.file}: good, {len(keys)} key{'' if len(keys) == 1 else 's'}")
    return 0


def _moment(text: str) -> date:
    """A date where no time is given, else a moment."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is no date, such as 2027-01-01") from None
