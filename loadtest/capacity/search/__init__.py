"""Loads in, trials out: where the objective breaks."""
