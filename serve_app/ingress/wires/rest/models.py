"""OpenAI's `/v1/models`: what is served, synthesizers among it, and what each can do."""

import time
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request

from serve_app.catalogue import is_non_commercial
from serve_app.config import ModelConfig, SynthesizerConfig
from serve_app.ingress.backend import Backend
from serve_app.ingress.backend.status import models_by_name
from serve_app.ingress.served import ServedModels, targets_of
from serve_app.ingress.voices import ServedVoices
from serve_app.ingress.wires.rest.answers import PROBLEMS
from serve_app.models.protocols import ModelInfo

_MISSING: dict[int | str, dict[str, Any]] = {404: PROBLEMS[404]}
_NAME = {
    "parameters": [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}]
}
"""FastAPI would say of a parameter of its own that it may be refused with 422; a text never is."""


def router(served: ServedModels, voices: ServedVoices, backend: Backend) -> APIRouter:
    """The two routes."""
    created = int(time.time())
    routes = APIRouter(prefix="/v1", tags=["OpenAI"])

    @routes.get("/models", summary="The served models")
    async def models() -> dict[str, Any]:
        loaded = await models_by_name(backend)
        everything: list[ModelConfig | SynthesizerConfig] = [*served.models, *voices.synthesizers]
        described = [_describe(model, loaded.get(model.name), created) for model in everything]
        return {"object": "list", "data": described}

    @routes.get(
        "/models/{name:path}", summary="One served model", responses=_MISSING, openapi_extra=_NAME
    )
    async def model(http: Request) -> dict[str, Any]:
        name = http.path_params["name"]
        named = voices.synthesizer(name) or served.described(name)
        return _describe(named, (await models_by_name(backend)).get(named.name), created)

    return routes


def _describe(
    model: ModelConfig | SynthesizerConfig, info: ModelInfo | None, created: int
) -> dict[str, Any]:
    """OpenAI's model object and ours: what only a loaded model knows is null until it is."""
    of_its_kind = (
        _of_a_synthesizer(model) if isinstance(model, SynthesizerConfig) else _of_a_model(model)
    )
    return {
        "id": model.name,
        "object": "model",
        # When this server began to serve it: a checkpoint does not say when it was made.
        "created": created,
        "owned_by": "chorus",
        "ready": info is not None,
        "kind": model.kind,
        "word_times": info.word_times if info else None,
        "device": info.device if info else None,
        "licence": model.licence,
        "attribution": model.attribution,
        "non_commercial": is_non_commercial(model.licence),
        "simulated": model.kind == "simulated",
        **of_its_kind,
    }


def _of_a_model(model: ModelConfig) -> dict[str, Any]:
    return {
        "aliases": list(model.aliases),
        "languages": [] if model.is_diarizer else list(model.languages),
        "tasks": list(model.tasks),
        "translations": targets_of(model.translations()),
        "streaming": model.streaming is not None,
        "diarizes": model.is_diarizer,
    }


def _of_a_synthesizer(synthesizer: SynthesizerConfig) -> dict[str, Any]:
    return {
        "aliases": [],
        "languages": list(dict.fromkeys(language for language, _ in synthesizer.all_voices())),
        "tasks": ["speak"],
        "translations": {},
        "streaming": False,
        "diarizes": False,
    }
