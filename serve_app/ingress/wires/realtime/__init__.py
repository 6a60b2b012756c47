"""OpenAI's Realtime API, of it the transcription sessions: `/v1/realtime` and its client secrets.

settings         what `session.update` sets, and what cannot be honoured
items            utterances: which text is of which
wire             the events
client_secrets   what a browser is given in place of a key
routes           how a session begins
"""
