"""The story of a live stream: packets in, events out, and no word lost on the way."""
