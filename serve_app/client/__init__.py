"""A typed client: recordings or live audio in, text out; or text in, sound out. Imports nothing of
the server.

    with Client("http://127.0.0.1:8000") as client:
        print(client.transcribe("talk.mp3").text)

`http` asks, `live` streams and converses, `speech` has texts spoken, `answers` understands,
`errors` says what can go wrong.
"""

from serve_app.client.answers import Format, LiveText, ModelDescription, Task, Transcription
from serve_app.client.errors import (
    AnswerTimeoutError,
    ClientError,
    ConnectionLostError,
    InvalidUrlError,
    ServerError,
    StreamEndedError,
    UnreachableError,
)
from serve_app.client.http import Audio, Client
from serve_app.client.live import Conversation, LiveStream, SpokenTranslation
from serve_app.client.speech import Sound, SoundFormat, VoiceDescription

__all__ = [
    "AnswerTimeoutError",
    "Audio",
    "Client",
    "ClientError",
    "ConnectionLostError",
    "Conversation",
    "Format",
    "InvalidUrlError",
    "LiveStream",
    "LiveText",
    "ModelDescription",
    "ServerError",
    "Sound",
    "SoundFormat",
    "SpokenTranslation",
    "StreamEndedError",
    "Task",
    "Transcription",
    "UnreachableError",
    "VoiceDescription",
]
