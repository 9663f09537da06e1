from pathlib import Path

import pytest

from scripts.places import check_file, check_folder


def test_where_results_can_go_a_folder_is_made_and_nothing_else(tmp_path: Path) -> None:
    check_file(None)
    check_file(tmp_path / "new" / "figures.json")
    check_folder(tmp_path / "run")
    check_file(Path("/dev/null"))  # beside which nobody may write
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["new", "run"]


def test_where_they_cannot_go_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match="is a folder, not a file"):
        check_file(tmp_path)
    with pytest.raises(SystemExit, match=r"nothing can be written to .*file: File exists"):
        check_folder(tmp_path / "file")
    with pytest.raises(SystemExit, match=r"nothing can be written to .*file/below: Not a directory"):
        check_file(tmp_path / "file" / "below" / "figures.json")
