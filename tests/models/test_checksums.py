import shutil
import subprocess
from pathlib import Path

import pytest

from models.artefact import ArtefactError
from models.checksums import SUMS, check_sum, record_sum
from models.loading import load_voice

WEIGHTS = Path(__file__).resolve().parents[2] / "weights"


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "a.onnx"
    path.write_bytes(b"weights")
    record_sum(path)
    return path


def test_a_file_is_what_the_list_says_until_a_bit_is_another(listed: Path) -> None:
    check_sum(listed)
    listed.write_bytes(b"weighus")
    with pytest.raises(ArtefactError, match=r"a\.onnx is not the file that SHA256SUMS lists"):
        check_sum(listed)
    record_sum(listed)
    check_sum(listed)


def test_what_is_not_listed_is_not_checked(listed: Path) -> None:
    own = listed.with_name("own.onnx")
    own.write_bytes(b"other weights")
    check_sum(own)
    (listed.parent / SUMS).unlink()
    check_sum(listed)


def test_the_list_is_one_that_sha256sum_reads(listed: Path) -> None:
    other = listed.with_name("b.pt")
    other.write_bytes(b"more weights")
    record_sum(other)
    command = ["sha256sum", "-c", SUMS]
    done = subprocess.run(command, cwd=listed.parent, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "a.onnx: OK\nb.pt: OK\n")


@pytest.mark.parametrize("lines", ["no digest", f"{'0' * 64}  a.onnx\n" * 2, "\0" * 100, f"{'0' * 63}  a.onnx"])
def test_a_damaged_list_is_no_list(listed: Path, lines: str) -> None:
    (listed.parent / SUMS).write_text(lines)
    with pytest.raises(ArtefactError, match="SHA256SUMS is damaged"):
        check_sum(listed)


def test_the_shipped_weights_are_listed_and_whole() -> None:
    for path in WEIGHTS.rglob("*.onnx"):
        assert path.name in (path.parent / SUMS).read_text(), path
        check_sum(path)


def test_a_model_with_one_other_bit_is_not_loaded(tmp_path: Path) -> None:
    path = Path(shutil.copy(WEIGHTS / "audio_bilstm.onnx", tmp_path))
    shutil.copy(WEIGHTS / SUMS, tmp_path)
    load_voice("audio_bilstm", engine="onnx", weights_dir=tmp_path)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(ArtefactError, match="damaged or was changed"):
        load_voice("audio_bilstm", engine="onnx", weights_dir=tmp_path)
