"""How often Python looks for garbage. In a process of its own: it holds for all of one."""

import subprocess
import sys

from app.settings import ROOT

COUNT = """
import gc
from app.collecting import THRESHOLDS, collect_seldom

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


def test_what_was_there_is_never_looked_at_and_who_left_is_forgotten_in_the_end() -> None:
    done = subprocess.run([sys.executable, "-c", COUNT], cwd=ROOT, capture_output=True, text=True, check=True)
    frozen, most, young, older, all_of_them = done.stdout.split()
    assert frozen == "True"
    assert int(young) < 150 and int(older) < 25 and 2 <= int(all_of_them) <= 4
    assert int(most) < 500_000  # of 1,200,000
