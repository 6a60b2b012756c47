"""What is answered when ten times as much comes as can be done: `python -m loadtest.overload`."""
