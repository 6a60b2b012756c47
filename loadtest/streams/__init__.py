"""How many live streams a server holds, and how late words come: `python -m loadtest.streams`."""
