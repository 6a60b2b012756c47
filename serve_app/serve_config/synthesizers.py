"""The configured synthesizers and their deployments in; files that are not there, and options that
would mean nothing, out."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from serve_app.config import SynthesizerConfig
from serve_app.deployments.scaling import AUDIO_POLICY, SLOTS_POLICY
from serve_app.errors import ConfigError
from serve_app.ingress.served import DIARIZING_NAME, OPENAI_NAMES
from serve_app.ingress.voices import OPENAI_SPEAKING
from serve_app.models.loader import synthesizer_path
from serve_app.serve_config.models import OWN_DEPLOYMENTS


def check_synthesizers(
    synthesizers: Sequence[SynthesizerConfig], place: str
) -> Iterator[ConfigError]:
    """Whether espeak-ng is installed is for the node to say that is to run it."""
    for index, synthesizer in enumerate(synthesizers):
        here = f"{place}.{index}.name"
        if synthesizer.name in OWN_DEPLOYMENTS:
            yield ConfigError(here, f"{synthesizer.name} is a deployment of the server's own")
        if synthesizer.name in OPENAI_SPEAKING | OPENAI_NAMES | {DIARIZING_NAME}:
            yield ConfigError(here, f"{synthesizer.name} is OpenAI's and means another")
        if synthesizer.kind == "silero":
            try:
                synthesizer_path(synthesizer)
            except ConfigError as error:
                yield ConfigError(f"{place}.{index}.checkpoint", error.reason)


def check_synthesizer_deployment(
    deployment: Mapping[str, Any], place: str
) -> Iterator[ConfigError]:
    """It scales by Serve's own policy: a call is a sentence or a text, and waits in a replica."""
    if deployment.get("user_config") is not None:
        yield ConfigError(f"{place}.user_config", "a synthesizer has no live settings")
    scaling = deployment.get("autoscaling_config")
    policy = (scaling.get("policy") or {}) if isinstance(scaling, Mapping) else {}
    named = policy.get("policy_function") if isinstance(policy, Mapping) else None
    if named in (AUDIO_POLICY, SLOTS_POLICY):
        here = f"{place}.autoscaling_config.policy.policy_function"
        yield ConfigError(here, "scales models that hear; leave it out: Serve's own counts calls")
