"""Command lines over `models` and clients of the server: `python -m scripts.NAME --help`.

One that ends for want of a package says so in one line: the server alone is installed with fewer than they need.
"""

import sys
from types import TracebackType

OURS = ("app", "models", "scripts")


def say_what_is_missing(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Tell of an error that nobody caught as Python does, but of a package that is not installed in one line."""
    if isinstance(error, ModuleNotFoundError) and error.name and error.name.split(".")[0] not in OURS:
        needed = "requirements.txt, or requirements-dev.txt, has it: pip install -r FILE"
        print(f"the package {error.name} is not installed; {needed}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = say_what_is_missing
