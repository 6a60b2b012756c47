"""Client secrets: what was signed comes back as it was; what was touched does not come back."""

import base64
import json
from pathlib import Path

import pytest

from serve_app.errors import ConfigError, UnauthenticatedError
from serve_app.ingress.auth.secrets import MAX_CHARACTERS, Claims, Signer, _signature, signer_of

ONE, OTHER = b"1" * 32, b"2" * 32
CLAIMS = Claims(
    "alice", "ab12", 1000, "/v1/realtime", {"type": "transcription", "model": "parakeet"}
)


def test_what_was_signed_comes_back_as_it_was() -> None:
    token = Signer(ONE).sign(CLAIMS)
    assert Signer(ONE).verify(token, "/v1/realtime", 999.0) == CLAIMS


def test_a_secret_is_fit_for_a_subprotocol() -> None:
    token = Signer(ONE).sign(CLAIMS)
    assert token.startswith("ek_")
    assert all(
        character.isascii() and (character.isalnum() or character in "-_.") for character in token
    )


def test_a_secret_expires() -> None:
    token = Signer(ONE).sign(CLAIMS)
    with pytest.raises(UnauthenticatedError, match="expired"):
        Signer(ONE).verify(token, "/v1/realtime", 1000.0)


def test_a_secret_opens_its_path_only() -> None:
    token = Signer(ONE).sign(CLAIMS)
    for path in ("/v1/realtime/translations", "/v1/realtime/", "/", ""):
        with pytest.raises(UnauthenticatedError, match="opens /v1/realtime only"):
            Signer(ONE).verify(token, path, 0.0)


def test_a_signature_of_another_secret_is_none() -> None:
    with pytest.raises(UnauthenticatedError, match="not signed"):
        Signer(OTHER).verify(Signer(ONE).sign(CLAIMS), "/v1/realtime", 0.0)


def test_a_signing_secret_is_replaced_without_a_gap() -> None:
    old = Signer(ONE).sign(CLAIMS)
    between = Signer(OTHER, ONE)
    assert between.verify(old, "/v1/realtime", 0.0) == CLAIMS
    assert Signer(OTHER).verify(between.sign(CLAIMS), "/v1/realtime", 0.0) == CLAIMS


def test_no_changed_character_passes() -> None:
    signer = Signer(ONE)
    token = signer.sign(CLAIMS)
    for index in range(len(token)):
        for other in ("A", "_", ".", "é", "="):
            if token[index] == other:
                continue
            with pytest.raises(UnauthenticatedError):
                signer.verify(token[:index] + other + token[index + 1 :], "/v1/realtime", 0.0)


def test_claims_that_were_rewritten_do_not_pass() -> None:
    signer = Signer(ONE)
    payload, _, signature = signer.sign(CLAIMS).removeprefix("ek_").partition(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    claims["exp"] = 10**10
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    with pytest.raises(UnauthenticatedError, match="not signed"):
        signer.verify(f"ek_{forged}.{signature}", "/v1/realtime", 0.0)


@pytest.mark.parametrize("token", ["", "ek_", "ek_.", "ek_a.b", "ek_\udcff.\udcff", "x" * 10_000])
def test_what_is_no_secret_at_all_is_refused(token: str) -> None:
    with pytest.raises(UnauthenticatedError):
        Signer(ONE).verify(token, "/v1/realtime", 0.0)


@pytest.mark.parametrize(
    "claims",
    [
        b"{}",
        b"[]",
        b"5",
        b"{",
        b"\xff",
        b"[" * 2_000,
        b'{"key":"a","fpr":"b","exp":"x","path":"/","session":{}}',
        b'{"key":"a","fpr":"b","exp":null,"path":"/","session":{}}',
        b'{"key":"a","fpr":"b","exp":9,"path":["/"],"session":{}}',
        b'{"key":"a","fpr":"b","exp":9,"path":"/","session":[]}',
        b'{"key":"a","fpr":"b","exp":9,"path":"\\ud800","session":{}}',
        b'{"key":"a","fpr":"b","exp":9,"path":"/","session":{"\\ud800":1}}',
    ],
)
def test_claims_that_are_none_are_refused_though_they_are_signed(claims: bytes) -> None:
    payload = base64.urlsafe_b64encode(claims).rstrip(b"=").decode()
    token = f"ek_{payload}.{_signature(ONE, payload).decode()}"
    assert Signer(ONE).signed(token)
    with pytest.raises(UnauthenticatedError, match="is none"):
        Signer(ONE).verify(token, "/", 0.0)


def test_a_session_too_large_for_a_header_is_not_signed() -> None:
    with pytest.raises(ValueError, match="header"):
        Signer(ONE).sign(Claims("alice", "ab12", 1, "/", {"prompt": "x" * MAX_CHARACTERS}))


def test_secrets_come_from_a_file_or_from_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(OTHER + b"\n\n" + ONE + b"\r\n")
    token = Signer(ONE).sign(CLAIMS)
    from_file = signer_of(path, "")
    assert from_file is not None
    assert from_file.verify(token, "/v1/realtime", 0.0) == CLAIMS
    from_environment = signer_of(None, f" {ONE.decode()} ")
    assert from_environment is not None
    assert from_environment.sign(CLAIMS) == token
    assert signer_of(None, " ") is None


@pytest.mark.parametrize("content", [b"", b"short", ONE + b"\nshort"])
def test_secrets_that_could_be_guessed_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="32 bytes"):
        signer_of(path, "")
    with pytest.raises(ConfigError, match="No such file"):
        signer_of(tmp_path / "nowhere", "")
