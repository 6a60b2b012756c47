"""Models that hear live streams, frame by frame, each stream in a slot."""
