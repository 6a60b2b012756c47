"""Client secrets: made with a key, on one ingress; shown by a browser, to another."""

import asyncio
import json
import time

import pytest

from serve_app.ingress.auth.secrets import Claims, Signer
from serve_app.ingress.wires.realtime.client_secrets import _OPEN
from tests.ingress.auth import ALICE, keys_file
from tests.ingress.wires.conftest import WAITING, Site, speech
from tests.ingress.wires.realtime.frames import COMMIT, T, append, at_24k, say, session, until

pytestmark = pytest.mark.asyncio

SIGNING = "s" * 32
ASKED = session(
    transcription={"model": "gpt-4o-transcribe", "language": "de"},
    turn_detection=None,
)


def browser(secret: str) -> list[str]:
    return ["realtime", f"openai-insecure-api-key.{secret}", "openai-beta.realtime-v1"]


async def created(site: Site, **options) -> dict:
    async with asyncio.timeout(WAITING), await site.open("/v1/realtime", **options) as client:
        return json.loads(await client.recv())["session"]


async def test_a_browser_opens_with_a_secret_the_session_that_it_was_made_with(
    open_site, tmp_path
) -> None:
    auth = {"keys_file": keys_file(tmp_path, alice={})}
    one, other = [await open_site(auth=auth, signing_secret=SIGNING) for _ in range(2)]
    sdk = one.sdk(ALICE)
    secret = await sdk.realtime.client_secrets.create(
        session=ASKED, expires_after={"anchor": "created_at", "seconds": 60}
    )
    await sdk.close()
    assert secret.value.startswith("ek_")
    assert abs(secret.expires_at - time.time() - 60) < 5
    assert type(secret.session).__name__ == "RealtimeTranscriptionSessionCreateResponse"
    assert secret.session.audio.input.transcription.language == "de"
    async with await other.open("/v1/realtime", subprotocols=browser(secret.value)) as client:
        assert client.subprotocol == "realtime"
        shown = json.loads(await client.recv())["session"]
        assert shown["audio"]["input"]["turn_detection"] is None
        assert shown["audio"]["input"]["transcription"]["model"] == "gpt-4o-transcribe"
        await say(client, append(at_24k(speech(1, 0.5))), COMMIT)
        assert (await until(client, f"{T}.completed"))[-1]["transcript"].startswith("de")
    assert (await other.server.refusal(path="/asr", subprotocols=browser(secret.value)))[0] == 401
    status, error, _ = await other.server.refusal(subprotocols=browser("ek_forged.AAAA"))
    assert (status, error["code"]) == (401, "invalid_api_key")


async def test_a_secret_makes_no_secrets(open_site, tmp_path) -> None:
    auth = {"keys_file": keys_file(tmp_path, alice={})}
    site = await open_site(auth=auth, signing_secret=SIGNING)
    sdk = site.sdk(ALICE)
    secret = await sdk.realtime.client_secrets.create(session=ASKED)
    answer = await sdk._client.post(
        f"http://{site.server.host}/v1/realtime/client_secrets",
        headers={"authorization": f"Bearer {secret.value}"},
    )
    await sdk.close()
    assert answer.status_code == 401


async def test_a_server_with_keys_and_without_a_signing_secret_says_what_to_set(
    open_site, tmp_path
) -> None:
    site = await open_site(auth={"keys_file": keys_file(tmp_path, alice={})})
    status, body = await posted(site, b"{}", key=ALICE)
    assert (status, body["error"]["code"]) == (400, "unsupported_option")
    assert "CHORUS_SIGNING_SECRET" in body["error"]["message"]


async def test_without_keys_secrets_work_on_every_replica(open_site) -> None:
    one, other = await open_site(), await open_site()
    sdk = one.sdk("whatever")
    secret = await sdk.realtime.client_secrets.create(session=ASKED)
    await sdk.close()
    assert abs(secret.expires_at - time.time() - 600) < 5
    for site in (one, other):
        shown = await created(site, subprotocols=browser(secret.value))
        assert shown["audio"]["input"]["transcription"]["language"] == "de"
        shown = await created(site, key=secret.value)
        assert shown["audio"]["input"]["transcription"]["language"] == "de"


async def test_without_keys_a_secret_expires_all_the_same(open_site) -> None:
    site = await open_site()
    expired = _OPEN.sign(Claims("", "", 1000, "/v1/realtime", {}))
    status, error, _ = await site.server.refusal(subprotocols=browser(expired))
    assert (status, error["message"]) == (401, "the client secret has expired")


async def test_without_keys_no_key_is_wrong(open_site) -> None:
    site = await open_site()
    theirs = Signer(b"x" * 32).sign(Claims("", "", 2**40, "/v1/realtime", ASKED))
    for key in (theirs, "ek_68af296e8e408191a1120ab6383263c2", "sk-x"):
        shown = await created(site, key=key)
        assert shown["audio"]["input"]["transcription"]["language"] is None


async def test_a_browser_gets_back_a_protocol_that_it_offered_and_never_its_key(open_site) -> None:
    site = await open_site()
    for offered, answered in (
        (["realtime", "openai-insecure-api-key.K"], "realtime"),
        (["openai-insecure-api-key.K", "chorus"], "chorus"),
        (["realtime-token.K"], None),
        ([], None),
    ):
        async with await site.open("/asr", subprotocols=offered or None) as client:
            assert client.subprotocol == answered


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{", "body"),
        (b"[]", "body"),
        (b"\xff", "body"),
        (b"[" * 60_000, "body"),
        (b" " * 70_000, "body"),
        (b'{"key": 1}', "key"),
        (b'{"session": 7}', "session"),
        (b'{"session": {"type": "realtime"}}', "session.type"),
        (b'{"session": {"type": "transcription", "voice": "x"}}', "session.voice"),
        (b'{"expires_after": 7}', "expires_after.anchor"),
        (b'{"expires_after": {"anchor": "now"}}', "expires_after.anchor"),
        (b'{"expires_after": {"seconds": 9}}', "expires_after.seconds"),
        (b'{"expires_after": {"seconds": 7201}}', "expires_after.seconds"),
        (b'{"expires_after": {"seconds": 60.5}}', "expires_after.seconds"),
        (b'{"expires_after": {"seconds": true}}', "expires_after.seconds"),
        (b'{"session": {"id": "' + b"x" * 5000 + b'"}}', "session"),
    ],
    ids=lambda value: str(value)[:50],
)
async def test_what_no_secret_can_be_made_of_is_refused(open_site, body, param) -> None:
    site = await open_site()
    status, answer = await posted(site, body)
    assert (status, answer["error"]["param"]) == (400, param)


async def posted(site: Site, body: bytes, key: str = "none") -> tuple[int, dict]:
    sdk = site.sdk(key)
    answer = await sdk._client.post(
        f"http://{site.server.host}/v1/realtime/client_secrets",
        content=body,
        headers={"authorization": f"Bearer {key}", "content-type": "application/json"},
    )
    await sdk.close()
    return answer.status_code, answer.json()


@pytest.mark.parametrize("content", [b'{"\\ud800":1}', b'{"session":{"\\ud800":1}}'])
async def test_half_a_character_is_quoted_as_what_it_is(open_site, content) -> None:
    status, body = await posted(await open_site(), content)
    assert status == 400
    assert "\ud800" in body["error"]["message"]
