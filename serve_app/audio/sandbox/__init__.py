"""Decoding in child processes that may crash, hang or run full: each costs one request, no more.

`pool` keeps the processes warm, so that a short clip waits for none to start; `process` is one of
them as its parent sees it, `child` is what runs in it, `messages` is what they say.
"""

from serve_app.audio.sandbox.pool import DecoderPool

__all__ = ["DecoderPool"]
