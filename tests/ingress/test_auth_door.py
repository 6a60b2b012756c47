"""Who has a key comes in, up to its limits; nobody else does, and each hears why."""

import asyncio

import openai
import pytest

from serve_app.ingress.auth.secrets import Claims, Signer
from serve_app.ingress.backend.fake import ScriptedBackend
from serve_app.transcript.types import Segment
from tests.ingress.auth import ALICE, BOB, FINGERPRINT, WAITING, bearer, keys_file
from tests.ingress.test_limits import HEAD, answer_to

pytestmark = pytest.mark.asyncio

OPEN = ("/", "/health", "/ready", "/docs", "/redoc", "/openapi.json")
SIGNING_SECRET = b"s" * 32


def code_of(response) -> str:
    return response.json()["error"]["code"]


@pytest.fixture
def open_closed(open_server, tmp_path):
    """`await open_closed(backend, alice={…limits})` gives a `Site` that asks for keys."""

    async def opened(backend=None, auth=None, settings=None, **entries):
        path = keys_file(tmp_path, **(entries or {"alice": {}}))
        auth = {"keys_file": path, **(auth or {})}
        return await open_server(backend, auth=auth, **(settings or {}))

    return opened


async def test_without_a_key_nothing_is_transcribed(open_closed) -> None:
    backend = ScriptedBackend()
    site = await open_closed(backend)
    response = await site.post()
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["error"] == {
        "message": "send an API key: Authorization: Bearer KEY",
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_api_key",
    }
    assert not backend.calls


async def test_who_has_no_key_hears_so_before_its_body_is_read(open_closed) -> None:
    site = await open_closed()
    head = await answer_to(site.port, f"{HEAD}Content-Length: 5000\r\n\r\n".encode())
    assert head.startswith("HTTP/1.1 401 ")


async def test_a_large_upload_without_a_key_hears_why(open_closed) -> None:
    site = await open_closed()
    files = {"file": ("a.wav", bytes(3 * 1024 * 1024))}
    response = await site.http.post("/v1/audio/transcriptions", files=files)
    assert response.status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {ALICE}"},
        {"authorization": f"bearer   {ALICE}"},
        {"authorization": f"Token {ALICE}"},
        {"api-key": ALICE},
    ],
)
async def test_a_key_is_taken_from_where_clients_put_it(open_closed, headers) -> None:
    site = await open_closed()
    assert (await site.http.get("/v1/models", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ALICE},
        {"authorization": "Bearer"},
        {"authorization": f"Basic {ALICE}"},
        {"authorization": f"Bearer {ALICE}x"},
        {"authorization": f"Bearer {BOB}"},
        {"authorization": "Bearer ek_a.b"},
        {"authorization": "Bearer caf\u00e9".encode()},
        {"api-key": ""},
        # Only browsers, and for sockets only, have to put a key here.
        {"sec-websocket-protocol": f"openai-insecure-api-key.{ALICE}"},
    ],
)
async def test_no_other_is_let_in(open_closed, headers) -> None:
    site = await open_closed()
    response = await site.http.get(f"/v1/models?api_key={ALICE}", headers=headers)
    assert (response.status_code, code_of(response)) == (401, "invalid_api_key")


async def test_a_key_that_has_expired_says_so(open_closed) -> None:
    site = await open_closed(alice={"expires": "1970-01-02T00:00:00Z"})
    response = await site.http.get("/v1/models", headers=bearer(ALICE))
    assert response.status_code == 401
    assert "expired" in response.json()["error"]["message"]


async def test_openais_sdk_comes_in_with_its_key(open_closed) -> None:
    site = await open_closed(ScriptedBackend([Segment("hello", 0.0, 1.0)]))
    with pytest.raises(openai.AuthenticationError):
        await site.transcribe()
    sdk = site.sdk.with_options(api_key=ALICE)
    answer = await sdk.audio.transcriptions.create(file=("a.wav", b"RIFF"), model="whisper-1")
    assert answer.text == "hello"


async def test_what_this_is_and_how_it_is_may_be_read_by_anybody(open_closed) -> None:
    site = await open_closed()
    for path in OPEN:
        assert (await site.http.get(path)).status_code == 200, path
    for path in ("/metrics", "/v1/models", "/api/languages", "/nothing", "/health/x"):
        assert (await site.http.get(path)).status_code == 401, path
    assert (await site.http.post("/")).status_code == 401
    assert (await site.http.get("/metrics", headers=bearer(ALICE))).status_code == 200


async def test_metrics_are_open_where_the_configuration_says_so(open_closed) -> None:
    site = await open_closed(auth={"metrics_need_key": False})
    assert (await site.http.get("/metrics")).status_code == 200


async def test_browsers_ask_first_without_a_key_and_may_read_the_refusal(open_closed) -> None:
    site = await open_closed(settings={"cors_origins": ["https://a.example"]})
    headers = {"origin": "https://a.example", "access-control-request-method": "POST"}
    assert (await site.http.options("/transcribe", headers=headers)).status_code == 200
    response = await site.http.get("/v1/models", headers={"origin": "https://a.example"})
    assert response.status_code == 401
    assert response.headers["access-control-allow-origin"] == "https://a.example"


async def test_one_request_too_many_hears_when_to_come_back(open_closed) -> None:
    site = await open_closed(alice={"requests_per_minute": 2}, bob={})
    statuses = [
        (await site.http.get("/v1/models", headers=bearer(ALICE))).status_code for _ in range(2)
    ]
    assert statuses == [200, 200]
    response = await site.http.get("/v1/models", headers=bearer(ALICE))
    assert (response.status_code, code_of(response)) == (429, "request_limit_reached")
    assert 1 <= int(response.headers["retry-after"]) <= 30
    assert (await site.http.get("/health")).status_code == 200
    assert (await site.http.get("/v1/models", headers=bearer(BOB))).status_code == 200


async def test_audio_is_charged_and_who_has_had_enough_is_refused_unread(open_closed) -> None:
    site = await open_closed(ScriptedBackend(duration_s=2.0), alice={"audio_s_per_day": 3})
    site.http.headers.update(bearer(ALICE))
    assert [(await site.post()).status_code for _ in range(2)] == [200, 200]
    request = f"{HEAD}Authorization: Bearer {ALICE}\r\nContent-Length: 5000\r\n\r\n"
    head = await answer_to(site.port, request.encode())
    assert head.startswith("HTTP/1.1 429 ")
    response = await site.post("/transcribe")
    assert code_of(response) == "audio_limit_reached"
    assert int(response.headers["retry-after"]) >= 1
    assert (await site.http.get("/v1/models")).status_code == 200


async def test_what_fails_is_not_charged(open_closed) -> None:
    backend = ScriptedBackend([ValueError("oops")])
    site = await open_closed(backend, alice={"audio_s_per_day": 1})
    site.http.headers.update(bearer(ALICE))
    assert [(await site.post()).status_code for _ in range(2)] == [500, 500]


async def test_who_leaves_a_stream_has_had_what_it_was_sent(open_closed) -> None:
    held = asyncio.Event()
    backend = ScriptedBackend([Segment("one", 0.0, 5.0), held], duration_s=60.0)
    site = await open_closed(backend, alice={"audio_s_per_day": 5})
    site.http.headers.update(bearer(ALICE))
    files = {"file": ("a.wav", b"RIFF...")}
    request = site.http.build_request(
        "POST", "/v1/audio/transcriptions", files=files, data={"stream": "true"}
    )
    response = await site.http.send(request, stream=True)
    await anext(response.aiter_lines())
    await response.aclose()
    await asyncio.wait_for(backend.abandoned.wait(), WAITING)
    backend.script = ()
    backend.duration_s = 0.0
    async with asyncio.timeout(WAITING):
        while (await site.post()).status_code != 429:
            pass


async def test_a_stream_is_charged_once(open_closed) -> None:
    backend = ScriptedBackend([Segment("one", 0.0, 4.0)], duration_s=5.0)
    site = await open_closed(backend, alice={"audio_s_per_day": 6})
    site.http.headers.update(bearer(ALICE))
    responses = [await site.post(stream="true") for _ in range(3)]
    assert [response.status_code for response in responses] == [200, 200, 429]


async def test_a_client_secret_stands_for_its_key_on_its_path(open_closed, tmp_path) -> None:
    (tmp_path / "secret").write_bytes(SIGNING_SECRET)
    auth = {"secret_file": str(tmp_path / "secret")}
    site = await open_closed(auth=auth, alice={"requests_per_minute": 3})
    signer = Signer(SIGNING_SECRET)

    async def status_of(secret: str, path: str = "/v1/models") -> int:
        return (await site.http.get(path, headers=bearer(secret))).status_code

    claims = Claims("alice", FINGERPRINT, 2**40, "/v1/models")
    token = signer.sign(claims)
    assert [await status_of(token) for _ in range(2)] == [200, 200]
    assert await status_of(token, "/api/languages") == 401
    assert await status_of(token[:-1] + "~") == 401
    assert (
        await status_of(Signer(b"x" * 32).sign(Claims("alice", FINGERPRINT, 2**40, "/v1/models")))
        == 401
    )
    assert await status_of(signer.sign(Claims("alice", FINGERPRINT, 1, "/v1/models"))) == 401
    assert await status_of(signer.sign(Claims("nobody", FINGERPRINT, 2**40, "/v1/models"))) == 401
    # Another key of the same name is another key.
    assert await status_of(signer.sign(Claims("alice", "0" * 16, 2**40, "/v1/models"))) == 401
    assert await status_of(ALICE) == 200
    assert await status_of(token) == 429, "a secret counts against its key"


async def test_the_documentation_asks_for_a_key_where_the_server_does(
    open_closed, open_server
) -> None:
    closed = (await (await open_closed()).http.get("/openapi.json")).json()
    (scheme,) = closed["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    transcriptions = closed["paths"]["/v1/audio/transcriptions"]["post"]
    assert transcriptions["security"]
    assert "401" in transcriptions["responses"]
    opened = (await (await open_server()).http.get("/openapi.json")).json()
    assert "securitySchemes" not in opened.get("components", {})
