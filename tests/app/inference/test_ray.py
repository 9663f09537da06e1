"""What `connect` says where there is nothing to connect to; with a real Ray: tests/e2e/test_cluster.py."""

import socket

import pytest

from app.inference.loading import LoadingError
from app.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own
SETTINGS = Settings(_env_file=None, inference_backend="ray")


@pytest.fixture
def connect(monkeypatch, tmp_path):
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))  # where Ray looks for a cluster of this machine
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    from app.inference.ray import connect

    return connect


def test_no_server_in_ray_on_this_machine_stops_the_start_with_one_line(connect):
    with pytest.raises(LoadingError, match=r"There is no Ray to ask|in Ray cannot be reached") as refused:
        connect(SETTINGS)
    assert "\n" not in str(refused.value)


def test_an_address_where_nobody_listens_stops_the_start_in_seconds(connect, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(LoadingError, match=f"nobody answers at {address}"):
        connect(SETTINGS)


def test_the_quick_check_needs_models_of_its_own(connect):
    with pytest.raises(LoadingError, match="QUICK_CHECK"):
        connect(SETTINGS.model_copy(update={"quick_check": True}))
