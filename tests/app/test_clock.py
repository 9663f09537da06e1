"""A wall clock may jump: nothing that decides looks at one."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WALL = {"time", "localtime", "gmtime", "ctime", "strftime", "now", "utcnow", "today"}
ALLOWED = {"app/watch/logs.py"}
"""What writes the time of day into a line of the log."""


def looks_at_the_wall(tree: ast.Module) -> bool:
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = [f for f in calls if isinstance(f, ast.Attribute) and isinstance(f.value, ast.Name)]
    imported = [n.names for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module in ("time", "datetime")]
    return any(f.value.id in ("time", "datetime", "date") and f.attr in WALL for f in named) or any(
        name.name in WALL or name.name == "datetime" for names in imported for name in names
    )


def test_no_module_of_the_server_looks_at_the_wall_clock():
    found = {
        str(path.relative_to(ROOT))
        for folder in ("app", "models")
        for path in (ROOT / folder).rglob("*.py")
        if looks_at_the_wall(ast.parse(path.read_text()))
    }
    assert found == ALLOWED


def test_one_that_did_would_be_found():
    assert looks_at_the_wall(ast.parse("import time\ntime.time()"))
    assert looks_at_the_wall(ast.parse("from datetime import datetime\ndatetime.now()"))
    assert not looks_at_the_wall(ast.parse("import time\ntime.monotonic()"))
