"""The headers of every answer, the documentation's own policy, and uvicorn's log without addresses."""

import base64
import hashlib
import logging
import re

import pytest
from arithmetic_models import MeanVoice, SumFace
from starlette.testclient import TestClient

from app.inference.local import LocalInference
from app.server import create_app
from app.settings import Settings
from app.watch.logs import hide_addresses


@pytest.fixture(scope="module")
def client():
    with TestClient(create_app(Settings(_env_file=None), LocalInference(MeanVoice(), SumFace()))) as client:
        yield client


def policy(answer):
    directives = (directive.split() for directive in answer.headers["content-security-policy"].split(";"))
    return {name: sources for name, *sources in directives}


@pytest.mark.parametrize(
    "path", ["/", "/static/js/main.js", "/static/css/page.css", "/healthz", "/protocol.json", "/docs", "/nowhere"]
)
def test_every_answer_has_the_headers(client, path):
    answer = client.get(path)
    headers = answer.headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-embedder-policy"] == "require-corp"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=(self)" in headers["permissions-policy"]
    assert "microphone=(self)" in headers["permissions-policy"]
    assert policy(answer)["default-src"] == policy(answer)["frame-ancestors"] == ["'none'"]
    for name in ("content-security-policy", "x-content-type-options", "cache-control"):
        assert len(headers.get_list(name)) <= 1


def test_the_page_runs_nothing_inline_and_nothing_of_others(client):
    for path in ("/", "/static/js/main.js"):
        sources = {source for values in policy(client.get(path)).values() for source in values}
        assert sources <= {"'self'", "'none'", "'wasm-unsafe-eval'", "blob:"}
        assert policy(client.get(path))["script-src"] == ["'self'", "'wasm-unsafe-eval'"]


def test_an_unchanged_file_has_them_too(client):
    tag = client.get("/static/js/main.js").headers["etag"]
    answer = client.get("/static/js/main.js", headers={"if-none-match": tag})
    assert answer.status_code == 304
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_documentation_runs_its_own_script_alone(client):
    answer = client.get("/docs")
    (script,) = re.findall(r"<script>(.*?)</script>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy(answer)["script-src"] == ["'self'", f"'sha256-{digest}'"]


def test_the_log_has_no_address_and_no_ticket(caplog, monkeypatch):
    hide_addresses()
    access, error = logging.getLogger("uvicorn.access"), logging.getLogger("uvicorn.error")
    for logger in (access, error):  # whatever servers of other tests have set up
        monkeypatch.setattr(logger, "handlers", [caplog.handler])
        monkeypatch.setattr(logger, "propagate", False)
        caplog.set_level(logging.INFO, logger.name)
    access.info('%s - "%s %s HTTP/%s" %d', "192.0.2.1:5", "GET", "/?q=1", "1.1", 200)
    error.info('%s - "WebSocket %s" [accepted]', "192.0.2.1:5", "/ws?ticket=secret")
    error.info("Started server process [%d]", 7)
    assert [record.getMessage() for record in caplog.records] == [
        '- - "GET / HTTP/1.1" 200',
        '- - "WebSocket /ws" [accepted]',
        "Started server process [7]",
    ]
