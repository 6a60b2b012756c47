import re
import subprocess
import sys

import pytest

from serve_app.config import ServerConfig
from serve_app.ingress.app import build_app
from serve_app.ingress.backend.fake import ScriptedBackend
from serve_app.ingress.wires.rest import openai_form, plain

HEAVY = ("torch", "nemo", "av", "soundfile", "ray", "scipy", "serve_app.audio.decode")


def test_the_ingress_stays_light() -> None:
    code = (
        "import sys, serve_app.ingress.app, serve_app.ingress.backend.fake;"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


@pytest.mark.asyncio
@pytest.mark.parametrize("given", ["abc-123", "x" * 128])
async def test_a_sane_request_id_comes_back(open_server, given) -> None:
    site = await open_server()
    response = await site.http.get("/health", headers={"x-request-id": given})
    assert response.headers.get_list("x-request-id") == [given]


@pytest.mark.asyncio
@pytest.mark.parametrize("given", [None, "", "x" * 129, "two words", "caf\u00e9"])
async def test_any_other_is_replaced(open_server, given) -> None:
    site = await open_server()
    headers = {} if given is None else {"x-request-id": given.encode()}
    seen = {
        (await site.http.get(path, headers=headers)).headers["x-request-id"]
        for path in ("/health", "/nothing", "/v1/models")
    }
    assert len(seen) == 3
    assert given not in seen


@pytest.mark.asyncio
async def test_errors_have_a_request_id_too(open_server) -> None:
    site = await open_server(ScriptedBackend([ValueError("oops")]))
    response = await site.post()
    assert response.status_code == 500
    assert len(response.headers["x-request-id"]) == 36


@pytest.mark.asyncio
async def test_pages_of_other_origins_are_let_in_by_configuration(open_server) -> None:
    preflight = {"origin": "https://a.example", "access-control-request-method": "POST"}
    closed = await open_server()
    response = await closed.http.options("/v1/audio/transcriptions", headers=preflight)
    assert "access-control-allow-origin" not in response.headers

    site = await open_server(cors_origins=["https://a.example"])
    response = await site.http.options("/v1/audio/transcriptions", headers=preflight)
    assert response.headers["access-control-allow-origin"] == "https://a.example"
    assert response.headers["access-control-allow-methods"] == "DELETE, GET, POST"
    response = await site.http.get("/nothing", headers={"origin": "https://a.example"})
    assert response.headers["access-control-allow-origin"] == "https://a.example"
    assert "x-request-id" in response.headers["access-control-expose-headers"]
    response = await site.http.get("/health", headers={"origin": "https://b.example"})
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.asyncio
async def test_the_documentation_describes_the_forms_as_they_are_read(open_server) -> None:
    site = await open_server()
    schema = (await site.http.get("/openapi.json")).json()
    openai = len(openai_form.FIELDS)
    for path, fields in (
        ("/v1/audio/transcriptions", openai),
        ("/v1/audio/translations", openai),
        ("/transcribe", len(plain.FIELDS)),
    ):
        body = schema["paths"][path]["post"]["requestBody"]
        form = body["content"]["multipart/form-data"]["schema"]
        assert form["required"] == ["file"]
        assert form["properties"]["file"] == {
            "type": "string",
            "format": "binary",
            "description": "The recording.",
        }
        assert len(form["properties"]) == fields
    assert set(openai_form._REFUSED) < openai_form.NAMES


UPLOAD = {"400", "404", "408", "413", "415", "429", "500", "503"}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("route", "statuses"),
    [
        ("post /transcribe", UPLOAD),
        ("post /v1/audio/transcriptions", UPLOAD),
        ("post /v1/audio/translations", UPLOAD),
        ("get /ready", {"503"}),
        ("get /metrics", {"503"}),
        ("get /v1/models/{name}", {"404"}),
        ("get /v1/models", set()),
    ],
)
async def test_the_documentation_names_the_errors_that_come(open_server, route, statuses) -> None:
    site = await open_server()
    method, path = route.split()
    described = (await site.http.get("/openapi.json")).json()["paths"][path][method]
    assert set(described["responses"]) == {"200", *statuses}
    named = [parameter["name"] for parameter in described.get("parameters", [])]
    assert named == (["name"] if "{name}" in path else [])


def test_a_proxy_that_names_requests_is_not_doubled() -> None:
    config = ServerConfig.model_validate({"models": [{"name": "pretender", "kind": "simulated"}]})
    app = build_app(config, ScriptedBackend(), request_ids=False)
    assert app.user_middleware[0].kwargs == {"on_responses": False}


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_the_documentation_is_shown_with_files_of_the_server_alone(open_server, path) -> None:
    site = await open_server()
    page = await site.http.get(path)
    assert page.status_code == 200
    assert "openapi.json" in page.text
    names = re.findall(r"""(?:src|href)=["']([^"']+)["']""", page.text)
    assert len(names) >= 2
    for name in names:
        assert ":" not in name, "nothing from elsewhere"
        assert (await site.http.get(f"/{name}")).status_code == 200, name
