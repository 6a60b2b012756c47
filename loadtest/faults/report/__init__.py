"""Trials in, a page with tables and timelines out."""
