"""The requirement sets agree with each other."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAMED = {
    "fastapi", "uvicorn", "websockets", "torch", "librosa", "mediapipe", "hsemotion", "timm", "numpy",
    "pydantic-settings", "pytest",
}  # fmt: skip
PIN = re.compile(r"^([A-Za-z0-9_.-]+)(?:\[[a-z]+\])?==(\S+)", re.MULTILINE)


def pins(name: str) -> dict[str, str]:
    return {package.lower(): version for package, version in PIN.findall((ROOT / name).read_text())}


def test_the_full_set_holds_the_slim_one_and_the_constraints_hold_both() -> None:
    serve, full, every = pins("requirements-serve.txt"), pins("requirements.txt"), pins(".ci/constraints.txt")
    assert serve.items() <= full.items() <= every.items()
    assert set(full) >= NAMED
    assert pins("requirements-dev.txt").items() <= every.items()


def test_the_slim_set_has_no_training_framework() -> None:
    assert not set(pins("requirements-serve.txt")) & {"torch", "torchvision", "timm", "hsemotion", "librosa"}
