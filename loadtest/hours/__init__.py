"""A recording of hours against its own parts: `python -m loadtest.hours --help`."""
