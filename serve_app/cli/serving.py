"""`chorus serve`, `stop` and `check`: a config file in, a server or its mistakes out."""

import argparse
import sys
from pathlib import Path

from serve_app.cli.parsers import Commands, add_command, port

_DEFAULT_PORT = 8000


def add(commands: Commands) -> None:
    _add_serve(commands)
    _add_stop(commands)
    _add_check(commands)


def _add_serve(commands: Commands) -> None:
    parser = add_command(
        commands,
        "serve",
        help="start a server on this machine and stay in the foreground",
        description="Start Ray, Serve and the application of CONFIG on this machine, and stay in\n"
        "the foreground until Ctrl-C; then requests under way are finished first. Common\n"
        "settings also come from the environment: .env.example.",
        examples="  chorus serve configs/tiny.yaml\n"
        "  chorus serve configs/one_gpu.yaml --host 0.0.0.0 --port 9000\n"
        "  chorus serve configs/tiny.yaml --background && chorus models && chorus stop\n",
    )
    parser.add_argument("config", type=Path, help="a Ray Serve config file, e.g. configs/tiny.yaml")
    parser.add_argument("--host", help="address to listen on (default: as the file says)")
    parser.add_argument("--port", type=port, help="port to listen on (default: as the file says)")
    parser.add_argument(
        "--background",
        action="store_true",
        help="return as soon as the server is ready, and leave it running",
    )
    parser.set_defaults(run=_serve)


def _add_stop(commands: Commands) -> None:
    parser = add_command(
        commands,
        "stop",
        help="stop a server that was started in the background",
        description="Stop the server that `chorus serve --background` started from this folder.\n"
        "Requests under way are finished first.",
        examples="  chorus stop\n  chorus stop --port 9000\n",
    )
    parser.add_argument("--host", default="127.0.0.1", help="its address (default: 127.0.0.1)")
    parser.add_argument("--port", type=port, default=_DEFAULT_PORT, help="its port (default: 8000)")
    parser.set_defaults(run=_stop)


def _add_check(commands: Commands) -> None:
    parser = add_command(
        commands,
        "check",
        help="say what is wrong with a config file",
        description="Check CONFIG strictly: unknown and misspelt keys, values out of range, a\n"
        "minimum above a maximum, missing checkpoints; each with its place. Exit status 1 if any.",
        examples="  chorus check configs/*.yaml\n",
    )
    parser.add_argument("config", type=Path, nargs="+", help="a Ray Serve config file")
    parser.set_defaults(run=_check)


def _serve(args: argparse.Namespace) -> int:
    from serve_app.errors import ConfigError

    try:
        if args.background:
            _serve_in_background(args)
        else:
            from serve_app import server

            server.run(args.config, host=args.host, port=args.port)
    except ConfigError as error:
        print(f"chorus serve: {error}", file=sys.stderr)
        return 1
    return 0


def _serve_in_background(args: argparse.Namespace) -> None:
    from serve_app import background, serve_config
    from serve_app.models.loader import licence_lines

    schema = serve_config.load(args.config)
    listening = schema.http_options
    host = args.host or listening.host
    number = args.port or listening.port
    reachable = "127.0.0.1" if host == "0.0.0.0" else host
    address = f"http://{reachable}:{number}"
    print(f"starting a server on {address}", flush=True)
    for line in licence_lines(serve_config.server_config(schema).models):
        print(line, flush=True)
    started = background.start(args.config, address, ["--host", host, "--port", str(number)])
    print(f"chorus is ready on {address}" if started else f"a server is already on {address}")


def _stop(args: argparse.Namespace) -> int:
    from serve_app import background

    stopped = background.stop(f"http://{args.host}:{args.port}")
    print("stopped" if stopped else f"no server of this folder listens on port {args.port}")
    return 0


def _check(args: argparse.Namespace) -> int:
    from serve_app import serve_config
    from serve_app.errors import ConfigError

    failed = False
    for path in args.config:
        try:
            serve_config.load(path)
        except ConfigError as error:
            failed = True
            print(error, file=sys.stderr)
        else:
            print(f"{path}: good")
    return int(failed)
