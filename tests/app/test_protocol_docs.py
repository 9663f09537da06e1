"""`docs/protocol.md` is held together with the code: its examples are replayed, its tables are complete."""

import json
import re
from typing import get_args

import pytest

from app import protocol
from app.settings import ROOT

TEXT = (ROOT / "docs" / "protocol.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```json (client|server)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
ROWS = re.findall(r"^\| `?([\w.]+)`? \|(.*)", TEXT, re.MULTILINE)
NAMES = {name for name, _ in ROWS}


def examples(side):
    return [text for where, text in EXAMPLES if where == side]


@pytest.mark.parametrize("text", examples("client"))
def test_client_examples_are_taken(text):
    assert protocol.decode(text).type == json.loads(text)["type"]


@pytest.mark.parametrize("text", examples("server"))
def test_server_examples_are_exactly_what_the_server_would_send(text):
    assert json.loads(protocol.encode(protocol.decode_server(text))) == json.loads(text)


def test_every_message_has_an_example():
    def types(side):
        return {json.loads(text)["type"] for text in examples(side)}

    schema = protocol.schema()
    assert types("client") == set(schema["client"]["discriminator"]["mapping"])
    assert types("server") == set(schema["server"]["discriminator"]["mapping"])


def test_the_result_with_both_paths_is_fused_as_the_document_says():
    result = protocol.decode_server(next(text for text in examples("server") if '"t": 12.5' in text))
    for label, prob in result.fused.probs.items():
        assert prob == pytest.approx(0.6 * result.voice.probs[label] + 0.4 * result.face.probs[label])
    for part in (result.voice, result.face, result.fused):
        assert sum(part.probs.values()) == pytest.approx(1.0)


def test_every_error_code_is_listed_with_whether_the_stream_goes_on():
    listed = {name: rest for name, rest in ROWS if rest.lstrip().startswith(("yes |", "no |"))}
    assert set(listed) == set(get_args(protocol.ErrorCode))


def table(begin):
    """Return the names in the first column of the first table after a line that begins so."""
    (_, after) = re.split(rf"^{re.escape(begin)}.*$", TEXT, maxsplit=1, flags=re.MULTILINE)
    (rows,) = re.search(r"((?:^\|.*\n)+)", after, re.MULTILINE).groups()
    return re.findall(r"^\| `(\w+)` \|", rows, re.MULTILINE)


@pytest.mark.parametrize(
    ("begin", "states"),
    [
        ("`voice.state`:", protocol.VoiceState),
        ("`face.state`:", protocol.FaceState),
        ("`fused.state`:", protocol.FusedState),
        ("`fused.by`:", protocol.FusedBy),
        ("### `calibration`", protocol.CalibrationState),
    ],
)
def test_every_state_is_listed_and_no_other(begin, states):
    assert sorted(table(begin)) == sorted(get_args(states))


def test_every_close_code_is_listed():
    assert {str(code) for code in protocol.schema()["close"]} <= NAMES


def test_every_field_of_dropped_is_listed():
    assert {f"dropped.{name}" for name in protocol.Dropped.model_fields} <= NAMES


def test_every_action_and_every_field_of_calibration_is_listed():
    actions = get_args(protocol.Calibrate.model_fields["action"].annotation)
    assert {*actions, *protocol.Calibration.model_fields} - {"type", "state"} <= NAMES
