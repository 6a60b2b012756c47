"""Chorus: a speech-to-text server that scales. Who may import whom: docs/architecture.md."""

__version__ = "0.1.0"
