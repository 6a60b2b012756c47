"""Sockets to a server: live audio in; text, or another language's speech, out.

stream         `/asr`: what is said, written down, whatever happens to the connection
kept           its audio that is not final yet
said           its text
conversation   `/ws/translate`: what is said, in another language
sockets        a WebSocket, and what goes wrong with it
"""

from serve_app.client.live.conversation import Conversation, SpokenTranslation
from serve_app.client.live.stream import LiveStream

__all__ = ["Conversation", "LiveStream", "SpokenTranslation"]
