"""The page for people: small files as they are, no build step; they ask nobody but this server.

`site` answers with them. `static/app.js` puts together `recorder` (sound → PCM), `socket` (PCM →
text) and `view` (text → the page); `server` asks for models and languages.
"""
