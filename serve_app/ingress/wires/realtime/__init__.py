"""OpenAI's Realtime API, of it `/v1/realtime` that transcribes, and its sister that translates.

bodies           what stands in a client's JSON, checked
settings         what `session.update` sets, and what cannot be honoured
items            utterances: which text is of which
events           JSON events, and a client's mistakes
wire             those of a transcription session
client_secrets   what a browser is given in place of a key
routes           how a session begins
translations     `/v1/realtime/translations`
"""
