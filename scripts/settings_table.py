"""Write `.env.example` and the README's settings table from the `Settings` class.

python -m scripts.settings_table            # write
python -m scripts.settings_table --check    # only tell whether they are current
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple, get_args, get_origin

from annotated_types import Ge, Le
from pydantic.fields import FieldInfo

from app.settings import ROOT, Settings

BEGIN, END = "<!-- settings: begin -->", "<!-- settings: end -->"


class Row(NamedTuple):
    """One setting, in words."""

    name: str
    default: str
    values: str
    what: str


def rows() -> Iterator[Row]:
    """Yield a row for each setting, in the order of the class."""
    for name, field in Settings.model_fields.items():
        yield Row(name.upper(), _text(field.default), _values(field), field.description or "")


def env_example() -> str:
    """Return the text of `.env.example`."""
    lines = [
        "# Every setting with its default. Copy this file to .env and change what you like.",
        "# The server reads it in the folder where it is started; the environment wins over it.",
        "# `python -m app` goes by all of it. `uvicorn app:app` listens where its own --host and --port say; what",
        "# `python -m app` does besides is `--ws-max-size` at twice MAX_MESSAGE_BYTES, so that a viewer is told",
        "# `too_big` before the connection closes, and `--ws-per-message-deflate false`, which spares the CPU.",
        "# Written by `python -m scripts.settings_table`.",
    ]
    for row in rows():
        lines += ["", f"# {row.what} ({row.values})", f"{row.name}={row.default}"]
    return "\n".join(lines) + "\n"


def markdown_table() -> str:
    """Return the README's table, markers included."""
    lines = [BEGIN, "| setting | default | values | what |", "|---|---|---|---|"]
    for row in rows():
        default = f"`{row.default}`" if row.default else "-"
        lines.append(f"| `{row.name}` | {default} | {row.values} | {row.what} |")
    return "\n".join([*lines, END])


def with_table(readme: str) -> str:
    """Return the README with the table between its markers.

    Raises:
        ValueError: the markers are missing.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"README.md needs the lines {BEGIN} and {END}")
    return before + markdown_table() + after


def _text(default: object) -> str:
    if isinstance(default, tuple):
        return ",".join(default)
    return "" if default is None else str(default).lower() if isinstance(default, bool) else str(default)


def _values(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(field.annotation))
    if field.annotation is bool:
        return "`true` or `false`"
    least = next((limit.ge for limit in field.metadata if isinstance(limit, Ge)), None)
    most = next((limit.le for limit in field.metadata if isinstance(limit, Le)), None)
    if least is not None and most is not None:
        return f"{least:.10g} to {most:.10g}"
    return "a folder" if Path in (field.annotation, *get_args(field.annotation)) else "text"


def main() -> int:
    """Write or check both files; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where one is not current")
    check = parser.parse_args().check
    readme = ROOT / "README.md"
    wanted = {ROOT / ".env.example": env_example(), readme: with_table(readme.read_text("utf-8"))}
    old = [path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    for path in old:
        print(f"{path.name} {'is not current' if check else 'written'}")
        if not check:
            path.write_text(wanted[path], "utf-8")
    return int(check and bool(old))


if __name__ == "__main__":
    sys.exit(main())
