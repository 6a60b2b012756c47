"""The environment in; those of its `CHORUS_` variables that set nothing, or set it wrongly, out."""

import re
from collections.abc import Iterator, Mapping

from serve_app.config import ServerConfig
from serve_app.environment import ENVIRONMENT, with_environment
from serve_app.errors import ConfigError
from serve_app.jobs.opening import SECRET_VARIABLE
from serve_app.serve_config.schemas import meant

_PREFIX = "CHORUS_"
_OF_THE_CLIENT = ("CHORUS_API_KEY", "CHORUS_URL")
_SECRETS = ("CHORUS_SIGNING_SECRET", SECRET_VARIABLE)
"""Read where it is needed: a secret goes through no configuration."""
_SERVICE_LINK = re.compile(
    r"_SERVICE_(HOST|PORT)\w*=|_PORT(_\d+_[A-Z]+)?=\w+://|_PORT_\d+_[A-Z]+_(PROTO|PORT|ADDR)="
)
"""What Kubernetes tells every container of a service whose name begins with `chorus`."""


def environment_errors(config: ServerConfig, environ: Mapping[str, str]) -> Iterator[ConfigError]:
    """Yield what is wrong with each variable; the place is its name."""
    known = {*ENVIRONMENT, *_OF_THE_CLIENT, *_SECRETS}
    for variable, value in sorted(environ.items()):
        if not variable.startswith(_PREFIX) or _SERVICE_LINK.search(f"{variable}={value}"):
            continue
        if variable not in known:
            yield ConfigError(variable, f"is no setting{meant(variable, known)}")
            continue
        try:
            with_environment(config, {variable: value})
        except ConfigError as error:
            yield error
