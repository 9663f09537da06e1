"""Commands that start a server take its settings, and no others."""

import sys

import pytest

from scripts.bench import __main__ as bench
from scripts.server_settings import settings_of
from scripts.soak import __main__ as soak


@pytest.mark.parametrize("command", [bench, soak])
@pytest.mark.parametrize(
    ("said", "words"), [("FACE_PROCESES=2", "there is no setting FACE_PROCESES"), ("NOPE", "'NOPE' is not NAME=VALUE")]
)
def test_a_misspelt_setting_is_refused(command, said, words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["it", "--set", said])
    with pytest.raises(SystemExit, match="2"):
        command.main()
    assert words in capsys.readouterr().err


def test_settings_become_an_environment():
    assert settings_of(["FACE_PROCESSES=2", "API_TOKEN=a=b"]) == {"FACE_PROCESSES": "2", "API_TOKEN": "a=b"}


@pytest.mark.parametrize(("content", "words"), [(None, "cannot be read"), ("[", "cannot be read"), ("{}", "is no run")])
def test_what_is_no_saved_run_is_told_in_a_line(tmp_path, monkeypatch, content, words):
    file = tmp_path / "run.json"
    if content is not None:
        file.write_text(content)
    monkeypatch.setattr(sys, "argv", ["bench", "--show", str(file)])
    with pytest.raises(SystemExit, match=words):
        bench.main()
