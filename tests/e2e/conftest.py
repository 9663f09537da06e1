"""Everything in this folder starts the real server, most of it a real browser too."""

from collections.abc import Iterator
from pathlib import Path

import calibratable as of_calibratable
import fusing as of_fusing
import pytest
from serving import Server

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture(scope="session")
def calibratable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose models can be calibrated, in the shortest time that the settings allow."""
    weights = of_calibratable.make_weights(tmp_path_factory.mktemp("weights"))
    with Server(WEIGHTS_DIR=str(weights), CALIBRATION_SECONDS="3") as running:
        yield running


@pytest.fixture(scope="session")
def fusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a model that hears and sees at once."""
    weights = of_fusing.make_weights(tmp_path_factory.mktemp("weights"))
    with Server(WEIGHTS_DIR=str(weights), FUSION=of_fusing.NAME) as running:
        yield running
