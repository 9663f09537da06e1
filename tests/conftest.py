"""The order of the tests, and which of them count for coverage."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
UNCOUNTED = ("conformance", "deploy", "e2e", "fuzz", "static")
"""They run the server as a process, or again what tests beside them count: to count it here takes time for nothing."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run first what takes longest: of several workers none is to be left alone with it at the end."""
    items.sort(key=lambda item: item.get_closest_marker("e2e") is None)
    for item in items:
        if item.path.relative_to(HERE).parts[0] in UNCOUNTED:
            item.add_marker(pytest.mark.no_cover)
