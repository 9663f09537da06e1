"""The order of the tests."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run first what takes longest: of several workers none is to be left alone with it at the end."""
    items.sort(key=lambda item: item.get_closest_marker("e2e") is None)
