"""Transcription jobs that outlive every process; no Ray, no HTTP server.

types   a job, a lease, a callback that is due
store   where they are: SQLite or PostgreSQL
audio   their recordings: a folder, or an object store
"""
