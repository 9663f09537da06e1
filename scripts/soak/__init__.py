"""The real server for a long time under a crowd, bad clients and faults of its own: `python -m scripts.soak`."""
