"""What waits in front of one model replica, and how it is cut into batches."""
