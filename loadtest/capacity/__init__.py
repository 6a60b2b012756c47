"""How much one server carries: `python -m loadtest.capacity --help`."""
