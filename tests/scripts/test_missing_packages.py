"""A command of the training set on a machine that was set up to serve alone."""

import subprocess
import sys

import pytest

from app.settings import ROOT

WITHOUT = """
import runpy, sys
sys.modules[{!r}], sys.argv[1:] = None, ["--help"]
runpy.run_module({!r}, run_name="__main__")
"""


@pytest.mark.parametrize(
    ("command", "package"),
    [("scripts.train_face", "torch"), ("scripts.prune", "torch"), ("scripts.compare", "tqdm")],
)
def test_the_package_that_is_missing_is_named_in_one_line(command: str, package: str) -> None:
    code = WITHOUT.format(package, command)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"the package {package} is not installed; requirements.txt")
    assert done.stderr.count("\n") == 1


def test_a_fault_of_the_project_itself_is_told_in_full() -> None:
    code = "import scripts; import app.nothing"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "Traceback" in done.stderr and "No module named 'app.nothing'" in done.stderr
