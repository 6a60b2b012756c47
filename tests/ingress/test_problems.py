import logging

import pytest

from serve_app import errors
from serve_app.errors import ErrorCode, SpeechError
from serve_app.ingress.backend.fake import ScriptedBackend
from serve_app.ingress.problems import TABLE, problem_of

ERRORS: list[tuple[SpeechError, int, str]] = [
    (errors.InvalidOptionError("task", "no"), 400, "invalid_request_error"),
    (errors.UnsupportedOptionError("task", "no"), 400, "invalid_request_error"),
    (errors.UnknownModelError("x", ("y",)), 404, "invalid_request_error"),
    (errors.UnsupportedLanguageError("xx", "y", ("en",)), 400, "invalid_request_error"),
    (
        errors.UnsupportedTranslationError("de", "fr", "y", (("en", "de"),)),
        400,
        "invalid_request_error",
    ),
    (errors.EmptyAudioError(), 400, "invalid_request_error"),
    (errors.UndecodableAudioError("noise"), 400, "invalid_request_error"),
    (errors.UnsupportedFormatError("text", ("wav",)), 415, "invalid_request_error"),
    (errors.AudioTooLongError(11.0, 10.0), 413, "invalid_request_error"),
    (errors.UploadTooLargeError(10), 413, "invalid_request_error"),
    (errors.AtCapacityError("full", 2.0), 429, "rate_limit_error"),
    (errors.ModelUnavailableError("tiny", 0.2), 503, "server_error"),
    (errors.UploadsFullError(100, 2.0), 503, "server_error"),
    (errors.ShuttingDownError(5.0), 503, "server_error"),
    (errors.DeadlineExceededError(60.0), 503, "server_error"),
    (errors.UploadTimeoutError(60.0), 408, "invalid_request_error"),
    (errors.UploadStalledError(100, 60.0), 408, "invalid_request_error"),
    (errors.MessageError("no JSON", "type"), 400, "invalid_request_error"),
    (errors.StreamIdleError(30.0), 408, "invalid_request_error"),
    (errors.StreamOverrunError(100), 413, "invalid_request_error"),
    (errors.EngineError("tiny", "broken"), 500, "server_error"),
    (errors.UnknownJobError("job_1"), 404, "invalid_request_error"),
    (errors.JobNotFinishedError("job_1", "pending"), 400, "invalid_request_error"),
    (errors.JobEndedError("job_1", "failed"), 400, "invalid_request_error"),
    (errors.JobsUnavailableError(5.0), 503, "server_error"),
    (errors.IdempotencyConflictError("key"), 409, "invalid_request_error"),
    (errors.UnauthenticatedError("no key"), 401, "invalid_request_error"),
    (errors.OriginRefusedError("https://a"), 403, "invalid_request_error"),
    (errors.RequestLimitError(60.0, 1.5), 429, "rate_limit_error"),
    (errors.AudioLimitError(3600.0, 99.0), 429, "rate_limit_error"),
    (errors.StreamLimitError(2.0, 5.0), 429, "rate_limit_error"),
]


def test_every_code_has_its_row_and_its_example() -> None:
    assert set(TABLE) == set(ErrorCode)
    assert {error.code for error, _, _ in ERRORS} == set(ErrorCode)


def test_close_codes_and_statuses_are_ones_that_exist() -> None:
    grpc = pytest.importorskip("grpc")
    for status in TABLE.values():
        assert status.ws_close in {1003, 1007, 1008, 1009, 1011, 1012, 1013}
        assert status.grpc_status in grpc.StatusCode.__members__


def test_who_is_told_to_come_back_is_told_when() -> None:
    for error, status, _ in ERRORS:
        assert ("Retry-After" in problem_of(error).headers()) == (status in (429, 503))
    assert problem_of(errors.AtCapacityError("x", 2.1)).headers() == {"Retry-After": "3"}
    assert problem_of(errors.AtCapacityError("x", 0.0)).headers() == {"Retry-After": "1"}


@pytest.mark.asyncio
@pytest.mark.parametrize(("error", "status", "kind"), ERRORS)
async def test_every_error_reaches_the_client_in_its_shape(
    open_server, error, status, kind
) -> None:
    site = await open_server(ScriptedBackend([error]))
    response = await site.post()
    assert response.status_code == status
    assert response.json() == {
        "error": {
            "message": str(error),
            "type": kind,
            "param": error.param,
            "code": error.code.value,
        }
    }
    plain = await site.post("/transcribe")
    assert plain.status_code == status
    assert plain.json() == {**response.json(), "detail": str(error)}
    if status in (429, 503):
        assert int(response.headers["retry-after"]) >= 1


@pytest.mark.asyncio
async def test_a_surprise_is_logged_with_its_trace_and_not_shown(open_server, caplog) -> None:
    site = await open_server(ScriptedBackend([ZeroDivisionError("a secret")]))
    with caplog.at_level(logging.ERROR):
        response = await site.post()
    assert response.status_code == 500
    error = response.json()["error"]
    assert (error["type"], error["code"], error["param"]) == (
        "server_error",
        "internal_error",
        None,
    )
    assert "secret" not in response.text
    assert response.headers["x-request-id"] in caplog.text
    assert "ZeroDivisionError: a secret" in caplog.text


@pytest.mark.asyncio
async def test_what_the_router_refuses_has_the_same_shape(open_server) -> None:
    site = await open_server()
    missing = await site.http.get("/v1/nothing")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")
    assert "detail" not in missing.json()
    missing = await site.http.get("/nothing")
    assert missing.json()["detail"] == missing.json()["error"]["message"] == "Not Found"
    wrong = await site.http.get("/v1/audio/transcriptions")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "POST"
