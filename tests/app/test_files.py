"""Files that browsers ask for, as they are on the disk at that moment."""

import os
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from app.files import Files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site" / "js").mkdir(parents=True)
    (tmp_path / "site" / "js" / "main.js").write_text("let one;")
    (tmp_path / "secret").write_text("not for browsers")
    return tmp_path / "site"


@pytest.fixture
def client(folder: Path) -> TestClient:
    return TestClient(Starlette(routes=[Mount("/", Files(directory=folder))]))


def test_a_file_is_given_once_to_who_has_it(client: TestClient) -> None:
    first = client.get("/js/main.js")
    assert (first.status_code, first.text) == (200, "let one;")
    assert first.headers["content-type"].startswith("text/javascript")
    assert first.headers["cache-control"] == "no-cache"
    again = client.get("/js/main.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == "no-cache"


def test_a_file_that_has_changed_is_given_anew(client: TestClient, folder: Path) -> None:
    tags = set()
    for number, content in enumerate(["let one;", "let two;", "let three;"]):
        (folder / "js" / "main.js").write_text(content)
        os.utime(folder / "js" / "main.js", (number, number))
        answer = client.get("/js/main.js")
        assert answer.text == content
        assert int(answer.headers["content-length"]) == len(content)
        tags.add(answer.headers["etag"])
    assert len(tags) == 3


@pytest.mark.parametrize(
    "path", ["/", "/js", "/js/other.js", "/%2e%2e/secret", "/js/%2e%2e/%2e%2e/secret", "/a%00b", "/" + "a" * 5000]
)
def test_nothing_else_is_given(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_files_are_read_and_no_more(client: TestClient) -> None:
    answer = client.post("/js/main.js")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
