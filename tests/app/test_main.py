"""`python -m app`: where it can listen is known before the models are loaded."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from app.__main__ import refuse_no_place
from app.settings import ROOT


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def test_a_free_place_is_not_refused(taken: int) -> None:
    refuse_no_place("127.0.0.1", 0)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    refuse_no_place("127.0.0.1", port)
    refuse_no_place("127.0.0.1", port)  # the first look has not taken it


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])  # noqa: S104 - bound to find it taken
def test_a_port_in_use_is_told(taken: int, host: str) -> None:
    with pytest.raises(SystemExit, match=rf"PORT={taken}: in use on {host} by another program"):
        refuse_no_place(host, taken)


@pytest.mark.parametrize(
    ("host", "reason"),
    [("no such name", "no address or name of a machine"), ("192.0.2.1", "no address of this machine")],
)
def test_an_address_that_is_not_here_is_told(host: str, reason: str) -> None:
    with pytest.raises(SystemExit, match=f"HOST={host}: {reason}"):
        refuse_no_place(host, 0)


@pytest.mark.parametrize("others", [[], [99]])
def test_of_a_name_all_addresses_have_to_be_here_but_those_of_unknown_families(
    monkeypatch: pytest.MonkeyPatch, others: list[int]
) -> None:
    def name(*addresses: str) -> None:
        places = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]
        unknown = [(family, socket.SOCK_STREAM, 6, "", ("", 0)) for family in others]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: unknown + places)

    name("127.0.0.1")
    refuse_no_place("a.name", 0)
    name("127.0.0.1", "192.0.2.1")  # with which the event loop would not start, after the models are loaded
    with pytest.raises(SystemExit, match=r"HOST=a\.name: no address of this machine"):
        refuse_no_place("a.name", 0)
    name()
    if others:
        with pytest.raises(SystemExit, match=r"HOST=a\.name: no address of this machine"):
            refuse_no_place("a.name", 0)


def test_the_command_ends_with_one_line_and_no_model_loaded(taken: int, tmp_path) -> None:
    # Were a model loaded first, that this folder has none would be told.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PORT": str(taken), "HOST": "127.0.0.1"}
    done = subprocess.run(
        [sys.executable, "-m", "app"],
        cwd=tmp_path,
        env={**environment, "WEIGHTS_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"Settings refused: PORT={taken}: in use on 127.0.0.1 by another program; end that, or set another PORT"
    ]


@pytest.mark.parametrize(("argument", "status", "words"), [("--help", 0, "HOST, PORT"), ("--port=1", 2, "--port=1")])
def test_arguments_are_not_passed_over(argument: str, status: int, words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app", argument], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == status
    assert words in done.stdout + done.stderr
