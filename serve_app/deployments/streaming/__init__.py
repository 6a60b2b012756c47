"""Streaming models behind Ray Serve: the slots of a replica, and who holds them."""
