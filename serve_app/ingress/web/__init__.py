"""The page for people: small files as they are, no build step; they ask nobody but this server.

`site` answers with them. In `static/js`, `recorder` makes PCM of sound, `line` is a socket that
comes back, `sent` is what it would be told again; `server` asks for models and languages, and
`furniture` is what both modes of the page show. `transcribe/app` puts them together for texts,
`translate/app` for conversations, with `conversation` (PCM → texts and sounds), `player` (sounds →
the loudspeaker), `talk` (what rests while that is heard) and `choice` (of two languages).
"""
