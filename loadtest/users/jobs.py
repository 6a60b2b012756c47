"""Users who hand in a long recording as a job, and come back for its result."""

import time
from typing import Any

import gevent
from locust import task

from loadtest.users.uploads import HEADERS, SpeakingUser, reason_of

_SUBMIT, _STATUS, _RESULT = "/transcribe/async", "/jobs/[id]/status", "/jobs/[id]/result"
_POLL_S = 1.0
_TIMEOUT_S = 900.0
_ENDED = ("completed", "failed", "cancelled")


class JobFailedError(Exception):
    """It has ended, and has no text."""


class JobUser(SpeakingUser):
    """One job at a time, of some minutes of speech; deleted when it has ended."""

    weight = 1

    @task
    def transcribe(self) -> None:
        spoken = self.speech.long
        began_at = time.perf_counter()
        with self.client.post(
            _SUBMIT,
            data=self.form_of(spoken, language="en"),
            headers=HEADERS,
            catch_response=True,
        ) as response:
            if response.status_code != 202:
                response.failure(f"{response.status_code} {reason_of(response.content)}")
                return
            job_id = str(response.json()["job_id"])
        status = self._wait(job_id)
        took_ms = (time.perf_counter() - began_at) * 1000
        context: dict[str, Any] = {"audio_s": spoken.duration_s}
        error = None if status == "completed" else JobFailedError(status)
        self.environment.events.request.fire(
            request_type="JOB",
            name="from the upload to the result",
            response_time=took_ms,
            response_length=0,
            exception=error,
            context=context,
        )
        if error is None:
            self._check(job_id)
        self.client.delete(f"/jobs/{job_id}", name="/jobs/[id]")

    def _wait(self, job_id: str) -> str:
        """Its last status, or `late`."""
        give_up_at = time.perf_counter() + _TIMEOUT_S
        while time.perf_counter() < give_up_at:
            with self.client.get(
                f"/jobs/{job_id}/status", name=_STATUS, catch_response=True
            ) as response:
                if response.status_code != 200:
                    response.failure(f"{response.status_code} {reason_of(response.content)}")
                elif (status := str(response.json()["status"])) in _ENDED:
                    return status
            gevent.sleep(_POLL_S)
        return "late"

    def _check(self, job_id: str) -> None:
        with self.client.get(
            f"/jobs/{job_id}/result", name=_RESULT, catch_response=True
        ) as response:
            if response.status_code != 200:
                response.failure(f"{response.status_code} {reason_of(response.content)}")
            else:
                self.checked(str(response.json()["text"]), self.speech.long, response)
