"""The fuzzer's inputs, those that it found among them, replayed; `python -m scripts.fuzz` looks for more."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.fuzz import CORPUS, targets
from scripts.fuzz.targets import TARGETS, EscapeError

INPUTS = sorted(path for path in CORPUS.glob("*/*") if path.is_file())


def test_there_is_something_for_each_target_and_it_is_small():
    assert {path.parent.name for path in INPUTS} == set(TARGETS)
    sizes = [path.stat().st_size for path in INPUTS]
    assert max(sizes) < 20_000
    assert sum(sizes) < 200_000


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_no_input_escapes(name):
    ends = {TARGETS[name](path.read_bytes()) for path in INPUTS if path.parent.name == name}
    assert len(ends) >= 3, ends  # some are taken, others refused for different reasons


@settings(max_examples=50)
@given(st.sampled_from(sorted(TARGETS)), st.binary(max_size=300))
def test_no_bytes_escape(name, data):
    TARGETS[name](data)


def test_an_escape_is_seen(monkeypatch):
    def broken(message, **limits):
        raise KeyError("a bug")

    monkeypatch.setattr(targets, "decode", broken)
    with pytest.raises(KeyError):
        TARGETS["protocol"](b"\x01{}")
    monkeypatch.setattr(targets, "decode_jpeg", lambda jpeg, max_pixels, grey: None)
    with pytest.raises((EscapeError, AttributeError)):
        TARGETS["jpeg"](b"\xff\xd8")
