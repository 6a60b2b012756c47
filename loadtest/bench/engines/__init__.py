"""The engine alone, and engines made for a measurement."""
