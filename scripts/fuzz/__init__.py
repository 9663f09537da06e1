"""Coverage-guided fuzzing of what strangers' bytes reach first, see `scripts.fuzz.__main__`."""

from pathlib import Path
from typing import Final

CORPUS: Final = Path(__file__).resolve().parents[2] / "tests/fuzz/corpus"
"""A folder of inputs for each target: made by `scripts.fuzz.seeds`, or found by the fuzzer."""
