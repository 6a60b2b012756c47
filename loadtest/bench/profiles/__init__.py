"""Whose code the processes of a server are in while they work."""
