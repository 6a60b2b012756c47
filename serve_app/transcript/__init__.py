"""Hypotheses in, transcripts and their text forms out. Standard library only."""
