"""Chunks in, hypotheses out. The only room with torch and NeMo, and they stay inside its leaves."""
