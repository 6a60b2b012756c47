"""Transcription jobs that outlive every process; no Ray, no HTTP server.

types       a job, a lease, a callback that is due
store       where they are: SQLite or PostgreSQL
database    what differs between these two
migrations  how its tables came to be as they are
audio       their recordings: a folder, or an object store
"""
