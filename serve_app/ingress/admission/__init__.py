"""Who may come in: places, bytes, and the wait that can be predicted. Refuses before it reads."""
