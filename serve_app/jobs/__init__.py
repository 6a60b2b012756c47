"""Transcription jobs that outlive every process; no Ray, no HTTP server.

types       a job, a lease, a callback that is due
store       where they are: tables in a database, and all that is done with them
database    SQLite or PostgreSQL, and what differs between the two
migrations  the tables' shape, brought up to date by whoever comes first
audio       their recordings: a folder, or an object store
writing     one recording on its way there, all of it or nothing
worker      leases in, results out; whatever happens to either
callbacks   who is told of an end
told        a job as JSON
opening     the configuration in, all of it ready to use out
fake        a graph that does with recordings what they say, for tests
"""
