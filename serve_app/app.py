"""The whole wiring: from a `ServerConfig` to a Ray Serve application."""

import os

from ray import serve
from ray.serve import Application

from serve_app.config import ServerConfig
from serve_app.deployments.preprocessor import Preprocessor
from serve_app.deployments.recognizer import Recognizer
from serve_app.environment import with_environment
from serve_app.ingress.deployment import Ingress


def build(args: ServerConfig) -> Application:
    """Ingress → Preprocessor → one deployment per model, each named as the model is.

    Serve calls this with what stands under `args:` in a file of `configs/`. Environment variables
    (`environment.py`) override it.
    """
    config = with_environment(args, os.environ)
    recognizers = {
        model.name: serve.deployment(name=model.name)(Recognizer).bind(model)
        for model in config.models
    }
    preprocessor = serve.deployment(name="Preprocessor")(Preprocessor).bind(
        config.preprocessor, config.limits.max_audio_s, config.models, recognizers
    )
    return serve.deployment(name="Ingress")(Ingress).bind(config, preprocessor)
