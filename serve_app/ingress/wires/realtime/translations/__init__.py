"""OpenAI's Realtime API, of it the translation sessions: `/v1/realtime/translations`.

settings   what `session.update` sets, and what cannot be honoured
wire       the events
routes     how a session begins
"""
