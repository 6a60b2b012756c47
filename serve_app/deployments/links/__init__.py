"""The ingress' end of live streams: one link to each replica of each streaming model."""
