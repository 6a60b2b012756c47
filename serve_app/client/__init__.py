"""A typed client: recordings in, transcripts out. Imports nothing of the server.

    with Client("http://127.0.0.1:8000") as client:
        print(client.transcribe("talk.mp3").text)

`http` speaks, `answers` understands, `errors` says what can go wrong.
"""

from serve_app.client.answers import Format, ModelDescription, Task, Transcription
from serve_app.client.errors import (
    AnswerTimeoutError,
    ClientError,
    ConnectionLostError,
    InvalidUrlError,
    ServerError,
    UnreachableError,
)
from serve_app.client.http import Audio, Client

__all__ = [
    "AnswerTimeoutError",
    "Audio",
    "Client",
    "ClientError",
    "ConnectionLostError",
    "Format",
    "InvalidUrlError",
    "ModelDescription",
    "ServerError",
    "Task",
    "Transcription",
    "UnreachableError",
]
