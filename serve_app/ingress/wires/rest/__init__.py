"""Requests and their answers: OpenAI's audio API, the plain transcription server, and its jobs."""
