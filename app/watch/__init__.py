"""What the server tells of itself: figures, log lines and the load."""
