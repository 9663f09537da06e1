"""Command lines over `models` and clients of the server: `python -m scripts.NAME --help`."""
