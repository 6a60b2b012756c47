"""WebSocket `/ws/translate`: somebody's speech, in; its meaning in another language, told and
spoken, out.

first   the client's first message, to what is asked for
wire    the conversation
"""
