"""How often Python looks for garbage. In a process of its own: it holds for all of one."""

import subprocess
import sys

import pytest

from app.collecting import THRESHOLDS
from app.settings import ROOT

COUNT = """
import gc
from app.collecting import collect_seldom

class Circle:
    def __init__(self):
        self.me = self

there = [Circle() for _ in range(1000)]
collect_seldom()
looks = [0, 0, 0]

def look(phase, info):
    looks[info["generation"]] += phase == "start"

gc.callbacks.append(look)
most, house = 0, []
for visit in range(10_000):
    house.append([Circle() for _ in range(120)])
    if len(house) > 200:  # who came first leaves
        del house[0]
    if visit % 100 == 0:
        most = max(most, len(gc.get_objects()))
print(gc.get_freeze_count() > 1000, most, *looks)
"""


UVICORN = "from app import app"
MODULE = """
import uvicorn
from app.__main__ import serve
from app.server import create_app
from app.settings import Settings
settings = Settings(_env_file=None)
uvicorn.run = lambda *_, **__: None
serve(settings, create_app(settings))
"""
ASK = "\nimport gc\nprint(*gc.get_threshold(), gc.get_freeze_count() > 10_000)"


def said(code: str) -> list[str]:
    """Return the words that Python prints when it runs that."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("start", [UVICORN, MODULE], ids=["uvicorn app:app", "python -m app"])
def test_however_the_server_starts_it_looks_seldom(start: str) -> None:
    assert said(start + ASK) == [*map(str, THRESHOLDS), "True"]


def test_what_was_there_is_never_looked_at_and_who_left_is_forgotten_in_the_end() -> None:
    frozen, most, young, older, all_of_them = said(COUNT)
    assert frozen == "True"
    assert int(young) < 150 and int(older) < 25 and 2 <= int(all_of_them) <= 4
    assert int(most) < 500_000  # of 1,200,000
