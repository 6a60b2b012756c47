"""Locust's users: clients of a Chorus server who check what they are answered."""
