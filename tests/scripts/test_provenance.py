"""What a card says of the command that made an artefact."""

import sys
from pathlib import Path

import pytest

from scripts.provenance import command_line


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--ravdess", "HERE/ravdess"], ["--ravdess", "ravdess"]),
        (["--ravdess=HERE/ravdess", "--fold=0"], ["--ravdess=ravdess", "--fold=0"]),
        (["--start", "HERE/nowhere/before.pt"], ["--start", "before.pt"]),
        (["--start=../me/before.pt", "--lr", "1e-3"], ["--start=before.pt", "--lr", "1e-3"]),
        (["runs/before.pt", "--name", "ravdess"], ["runs/before.pt", "--name", "ravdess"]),
        (["--run", "..", "--name="], ["--run", "HERE", "--name="]),
    ],
)
def test_no_folder_of_whoever_trains_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: list[str], told: list[str]
) -> None:
    (tmp_path / "ravdess" / "deeper").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "ravdess")
    monkeypatch.setattr(
        sys, "argv", ["/somewhere/scripts/train_voice.py", *(g.replace("HERE", str(tmp_path)) for g in given)]
    )
    assert command_line() == " ".join(
        ["python", "-m", "scripts.train_voice", *(t.replace("HERE", tmp_path.name) for t in told)]
    )
