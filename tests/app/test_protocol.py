import base64
import json
import struct
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import protocol
from app.protocol import Audio, Calibrate, Configure, ErrorCode, Event, ProtocolError, decode

PCM = np.array([1, -2, 300, -32768], "<i2").tobytes()
JPEG = b"\xff\xd8\xff\xe0 and more"
IDS = st.integers(0, 2**32 - 1)
PCMS = st.binary(min_size=2).filter(lambda data: len(data) % 2 == 0)

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(["pcm16", "jpeg", "id", "fusion_weight", "voice_smoothing", "face_smoothing", "action", "x"])
ALMOST_MESSAGES = st.builds(
    lambda kind, fields: json.dumps({"type": kind, **fields}),
    st.sampled_from(["audio", "frame", "configure", "calibrate", "result"]) | JSON_VALUES,
    st.dictionaries(FIELDS, JSON_VALUES, max_size=4),
)
ALMOST_BINARY = st.builds(
    lambda kind, rest: bytes([kind]) + rest, st.sampled_from([0, 1, 2, 3]), st.binary(max_size=20)
)


def text(**fields) -> str:
    return json.dumps(fields)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def refused(message, **limits) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        decode(message, **limits)
    return caught.value


@given(st.text() | st.binary() | ALMOST_MESSAGES | ALMOST_BINARY)
def test_anything_is_an_event_or_a_typed_error(message):
    try:
        event = decode(message)
    except ProtocolError as error:
        assert error.code in get_args(ErrorCode)
        assert 0 < len(error.message) <= 200
        assert error.code not in protocol.CLOSE_CODES
    else:
        assert isinstance(event, Event)


@given(PCMS, IDS)
def test_sound_is_the_same_as_json_and_as_binary(pcm, number):
    as_json = decode(text(type="audio", pcm16=b64(pcm), id=number))
    as_binary = decode(struct.pack("<BI", 1, number) + pcm)
    assert as_json == as_binary == decode(protocol.encode_binary(protocol.BINARY_AUDIO, number, pcm))
    assert as_binary.samples.astype("<i2").tobytes() == pcm
    assert as_binary.id == number


@given(st.binary(), IDS)
def test_a_frame_is_the_same_as_json_and_as_binary(body, number):
    jpeg = b"\xff\xd8" + body
    as_json = decode(text(type="frame", jpeg=b64(jpeg), id=number))
    as_binary = decode(struct.pack("<BI", 2, number) + jpeg)
    assert as_json == as_binary == decode(protocol.encode_binary(protocol.BINARY_FRAME, number, jpeg))
    assert (as_json.jpeg, as_json.id) == (jpeg, number)


@given(st.floats(0, 1) | st.none(), st.integers(1, 50) | st.none(), st.integers(1, 50) | st.none())
def test_configure_takes_what_is_within_bounds(weight, voice, face):
    event = decode(text(type="configure", fusion_weight=weight, voice_smoothing=voice, face_smoothing=face))
    assert event == Configure(fusion_weight=weight, voice_smoothing=voice, face_smoothing=face)


def test_the_id_is_optional():
    assert decode(text(type="audio", pcm16=b64(PCM))).id is None


def test_unknown_fields_are_ignored():
    assert decode(text(type="audio", pcm16=b64(PCM), id=3, codec="opus")) == Audio(pcm16=PCM, id=3)


@pytest.mark.parametrize("action", ["start", "skip", "reset"])
def test_calibrate_is_a_typed_event(action):
    assert decode(text(type="calibrate", action=action)) == Calibrate(action=action)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("invalid_json", "hello"),
        ("invalid_json", '{"type": "audio"'),
        ("invalid_json", "\ud800"),
        ("invalid_json", "[" * 100_000),
        ("invalid_message", "[1, 2]"),
        ("invalid_message", "{}"),
        ("invalid_message", '{"type": "audio"}'),
        ("invalid_message", text(type="audio", pcm16=b64(PCM), id=-1)),
        ("invalid_message", text(type="audio", pcm16=b64(PCM), id=2**32)),
        ("invalid_message", text(type="audio", pcm16=b64(PCM), id=True)),
        ("invalid_message", text(type="audio", pcm16=b64(PCM), id="1")),
        ("invalid_message", '{"type": "configure", "fusion_weight": NaN}'),
        ("invalid_message", '{"type": "configure", "fusion_weight": Infinity}'),
        ("invalid_message", '{"type": "configure", "fusion_weight": 1.01}'),
        ("invalid_message", '{"type": "configure", "fusion_weight": "0.5"}'),
        ("invalid_message", '{"type": "configure", "voice_smoothing": 0}'),
        ("invalid_message", '{"type": "configure", "face_smoothing": 51}'),
        ("invalid_message", '{"type": "configure", "face_smoothing": 2.5}'),
        ("invalid_message", '{"type": "calibrate"}'),
        ("invalid_message", '{"type": "calibrate", "action": "stop"}'),
        ("invalid_message", b""),
        ("invalid_message", b"\x01\x00\x00\x00"),
        ("unknown_type", '{"type": "video"}'),
        ("unknown_type", b"\x03\x00\x00\x00\x00abc"),
        ("invalid_base64", text(type="audio", pcm16="AAA")),
        ("invalid_base64", text(type="audio", pcm16="AAAA\n")),
        ("invalid_base64", text(type="audio", pcm16="AA-_")),
        ("invalid_base64", text(type="audio", pcm16="Ü" * 4)),
        ("invalid_base64", text(type="frame", jpeg=7)),
        ("invalid_audio", text(type="audio", pcm16="")),
        ("invalid_audio", text(type="audio", pcm16=b64(b"abc"))),
        ("invalid_audio", b"\x01\x00\x00\x00\x00"),
        ("invalid_audio", b"\x01\x00\x00\x00\x00abc"),
        ("invalid_image", text(type="frame", jpeg="")),
        ("invalid_image", text(type="frame", jpeg=b64(b"\x89PNG"))),
        ("invalid_image", b"\x02\x00\x00\x00\x00"),
    ],
)
def test_what_is_wrong_has_a_code(code, message):
    assert refused(message).code == code


def test_a_frame_may_have_so_many_bytes_and_no_more():
    message = text(type="frame", jpeg=b64(JPEG))
    assert decode(message, max_frame_bytes=len(JPEG)).jpeg == JPEG
    assert refused(message, max_frame_bytes=len(JPEG) - 1).code == "frame_too_big"


def test_an_error_names_the_field_and_never_repeats_the_payload():
    error = refused(text(type="audio", pcm16="secret!", id=1))
    assert "pcm16" in error.message
    assert "secret" not in error.message
    assert "voice_smoothing" in refused('{"type": "configure", "voice_smoothing": 99}').message
    assert len(refused(text(type="x" * 10_000)).message) <= 200


PRIVATE = "never repeat this"


@pytest.mark.parametrize(
    "message",
    [
        PRIVATE,
        text(type=PRIVATE),
        text(type=[PRIVATE]),
        text(type="calibrate", action={PRIVATE: PRIVATE}),
        text(type="calibrate", action=PRIVATE * 10),
        text(type="configure", fusion_weight=PRIVATE, **{PRIVATE: 1}),
        text(type="frame", jpeg=PRIVATE),
        text(type="frame", jpeg=b64(PRIVATE.encode())),
        text(type="audio", pcm16=b64(PRIVATE.encode() + b"!"), id=PRIVATE),
    ],
)
def test_no_error_repeats_what_the_client_wrote(message):
    assert PRIVATE not in refused(message).message


def test_a_server_message_survives_the_wire():
    error = protocol.Error(code="full", message="the server is full", recoverable=False)
    assert protocol.decode_server(protocol.encode(error)) == error


def test_the_schema_has_every_message_and_the_binary_kinds():
    schema = json.loads(json.dumps(protocol.schema()))
    assert schema["protocol"] == 1
    assert set(schema["client"]["discriminator"]["mapping"]) == {
        "audio",
        "frame",
        "configure",
        "calibrate",
        "authenticate",
    }
    assert set(schema["server"]["discriminator"]["mapping"]) == {
        "challenge",
        "ready",
        "configured",
        "calibration",
        "result",
        "error",
    }
    assert schema["client"]["$defs"]["Audio"]["properties"]["pcm16"]["contentEncoding"] == "base64"
    assert set(schema["binary"]["kinds"]) == {"1", "2"}
    assert set(schema["server"]["$defs"]["Error"]["properties"]["code"]["enum"]) == set(get_args(ErrorCode))
