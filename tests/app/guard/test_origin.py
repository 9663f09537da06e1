import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.guard.origin import Origin


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://example.org", ("https", "example.org", 443)),
        ("HTTPS://Example.ORG:443", ("https", "example.org", 443)),
        ("http://localhost:8000", ("http", "localhost", 8000)),
        ("http://[::1]:8000", ("http", "[::1]", 8000)),
        ("http://127.0.0.1", ("http", "127.0.0.1", 80)),
    ],
)
def test_an_origin_is_scheme_host_and_port(text, origin):
    assert Origin.parse(text) == origin


@pytest.mark.parametrize(
    "text",
    ["", "null", "*", "example.org", "ftp://example.org", "https://", "https://example.org/", "https://example.org/a",
     "https://example.org?", "https://me@example.org", "https://example.org:port", "https://example.org:999999",
     " https://example.org", "https://exam\nple.org", "https://ex\u00e4mple.org", "https://a b"],
)  # fmt: skip
def test_what_is_no_origin_is_refused(text):
    with pytest.raises(ValueError):
        Origin.parse(text)


@given(st.text() | st.from_regex(r"https?://[^\s]*", fullmatch=True))
def test_anything_is_an_origin_or_a_value_error(text):
    try:
        scheme, host, port = Origin.parse(text)
    except ValueError:
        return
    assert Origin.parse(f"{scheme}://{host}:{port}") == (scheme, host, port)
