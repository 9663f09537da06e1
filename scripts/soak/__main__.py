"""Run the real server under a crowd for a long time, and say what it lost, kept and leaked.

python -m scripts.soak --minutes 60 [--load 0.8] [--set NAME=VALUE] [--json FILE]

Good viewers keep the server, which measures its load, at three quarters of it; others come and go, strangers misbehave,
and the models fail in turn. It ends with 1 where a good viewer lost a result beyond those that the server
says it dropped, was told what it should not be or closed, memory rises, or objects, a thread or a task are left over.
Linux; the viewers share the machine with the server.
"""

import argparse
import asyncio
import json
import random
import sys
import time
import urllib.request
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from app.guard.admission import SPAN
from scripts.bench.material import gather
from scripts.bench.subject import Subject
from scripts.bench.viewer import Envelopes
from scripts.places import check_file
from scripts.server_settings import add_set, settings_of
from scripts.soak.report import Figures, Held, Sample, text, trend, verdict
from scripts.soak.strangers import pester
from scripts.soak.viewers import Good, churn, come

SAMPLE_SECONDS = 2.0
SETTLE_SECONDS = 60.0
GUESTS, STRANGERS = 3, 3
ROOM, SLACK = 0.25, 0.15
"""Share of the load that is left to guests and strangers, and what it may be above the rest."""


class Watch:
    """Looks at the server's process from outside."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/soak"
        self.samples: list[Sample] = []
        self.faults: dict[str, int] = {}

    async def ask(self, *, collect: bool = False) -> dict[str, Any]:
        """Return what `/soak` says now, or when it has collected what nobody can reach any more."""
        return await asyncio.to_thread(self._ask, "?collect=true" if collect else "")

    async def held(self) -> Held:
        """Return what runs in the process."""
        said = await self.ask()
        return Held(tuple(said["threads"]), said["tasks"])

    async def sample(self) -> None:
        """Take a sample now and then until cancelled."""
        while True:
            said = await self.ask()
            self.faults = said["faults"]
            now = time.monotonic()
            self.samples.append(Sample(now, said["mib"], said["objects"], said["viewers"], said["load"]))
            await asyncio.sleep(SAMPLE_SECONDS)

    def _ask(self, query: str = "") -> dict[str, Any]:
        with urllib.request.urlopen(self._url + query, timeout=60) as answer:  # noqa: S310 - http, made above
            said: dict[str, Any] = json.load(answer)
            return said


class Crowd:
    """Good viewers: as many as keep the load where it should be, on a machine that others may use as well.

    Attributes:
        everyone: Who was ever let in.
        staying: Those of them who were not sent home.
    """

    def __init__(self, port: int, envelopes: Envelopes, watch: Watch, load: float) -> None:
        self.everyone: list[Good] = []
        self.staying: list[Good] = []
        self._port, self._envelopes, self._watch, self._load = port, envelopes, watch, load

    async def keep(self) -> None:
        """Let one more in where the load is too low, and the newest go home where it is too high, until cancelled."""
        while True:
            load = (await self._watch.ask())["load"]
            if load < self._load:
                viewer = await come(self._port, self._envelopes, 7 * len(self.everyone))
                if viewer is not None:
                    self.everyone.append(viewer)
                    self.staying.append(viewer)
            elif load > self._load + SLACK and len(self.staying) > 1:
                self.staying.pop().leave()
            # The measure follows slowly.
            await asyncio.sleep(0.5 if load < self._load / 2 else SPAN)

    def leave(self) -> list[int]:
        """Send all home; return the codes of those whom the server had closed."""
        for viewer in self.staying:
            viewer.leave()
        return [viewer.log.closed for viewer in self.everyone if viewer.log.closed is not None]


async def settle(watch: Watch, before: Held) -> Held:
    """Wait until all have left; return what still runs then, or after a minute."""
    until = time.monotonic() + SETTLE_SECONDS
    after = await watch.held()
    while sum(after.tasks.values()) > sum(before.tasks.values()) and time.monotonic() < until:
        await asyncio.sleep(0.5)
        after = await watch.held()
    return after


async def soak(port: int, seconds: float, load: float, seed: int) -> Figures:
    """Return what was seen in so many seconds."""
    envelopes = Envelopes(gather(None, None), binary=True)
    watch = Watch(port)
    await watch.ask()
    before, first = await watch.held(), await watch.ask(collect=True)
    crowd = Crowd(port, envelopes, watch, (1 - ROOM) * load)
    came, strange = Counter[str](), Counter[str]()
    tasks = [asyncio.create_task(watch.sample()), asyncio.create_task(crowd.keep())]
    for number in range(GUESTS):
        tasks.append(asyncio.create_task(churn(port, envelopes, random.Random(seed + number), came)))  # noqa: S311
    for number in range(STRANGERS):
        tasks.append(asyncio.create_task(pester(port, random.Random(seed + 100 + number), strange)))  # noqa: S311
    began = time.monotonic()
    await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    broken = [task.exception() for task in tasks if task.done()]
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    lasted = time.monotonic() - began
    closed = crowd.leave()
    after, last = await settle(watch, before), await watch.ask(collect=True)
    if broken:
        raise RuntimeError("the soak itself failed") from broken[0]
    figures = _figures(
        lasted, crowd.everyone, closed, watch, came, strange, (before, after), (first["objects"], last["objects"])
    )
    return replace(figures, wrong=verdict(figures))


def _figures(
    seconds: float,
    good: list[Good],
    closed: list[int],
    watch: Watch,
    came: Counter[str],
    strange: Counter[str],
    held: tuple[Held, Held],
    objects: tuple[int, int],
) -> Figures:
    dropped, errors, states = Counter[str](), Counter[str](), Counter[str]()
    for viewer in good:
        dropped.update(viewer.dropped)
        errors.update(viewer.log.errors)
        states.update(viewer.states)
    ages = [1000 * age for viewer in good for _, age, _, _ in viewer.log.results if age is not None]
    slope, rise = trend(watch.samples)
    mib, load = ([getattr(sample, name) for sample in watch.samples] for name in ("mib", "load"))
    viewers = [sample.viewers for sample in watch.samples]
    return Figures(
        seconds=round(seconds, 1),
        good=len(good),
        good_left=closed,
        results=sum(states.values()),
        lost=sum(viewer.lost for viewer in good),
        dropped=dict(dropped),
        answered=states["ok"] / max(1, sum(states.values())),
        delay_ms=(float(np.percentile(ages, 50)), float(np.percentile(ages, 95))) if ages else (None, None),
        errors=dict(errors),
        churn=dict(came),
        strangers=dict(strange),
        faults=watch.faults,
        load=(float(np.mean(load)), max(load)),
        viewers=(float(np.mean(viewers)), max(viewers)),
        mib=(min(mib), float(np.mean(mib)), max(mib)),
        objects=objects,
        slope_mib_per_hour=slope * 3600,
        rise_mib=rise,
        before=held[0],
        after=held[1],
        samples=watch.samples,
    )


def main() -> None:
    """Parse the command line, start the server, soak it, print."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument(
        "--load", type=float, default=0.8, help="of the server, as it measures it (default: %(default)s)"
    )
    parser.add_argument(
        "--faults", type=float, default=30.0, metavar="SECONDS", help="between two faults of the models"
    )
    parser.add_argument("--seed", type=int, default=1)
    add_set(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    options = parser.parse_args()
    if options.minutes <= 0:
        parser.error("--minutes: more than 0")
    check_file(options.json)
    settings = {
        "FACE_MODEL": "fer_resnet",
        "ADMISSION_LOAD": str(min(1.0, options.load + 0.15)),
        "SOAK_FAULT_EVERY": str(options.faults),
        "MAX_VIEWERS": "100000",
        "MAX_VIEWERS_PER_ADDRESS": "0",
        "UNREAD_TIMEOUT": "4",  # a stranger waits much longer for its end
        **settings_of(options.set),
    }
    with Subject("scripts.soak.server", settings) as server:
        figures = asyncio.run(soak(server.port, 60 * options.minutes, options.load, options.seed))
        log = server.log()
    print(text(figures))
    if options.json:
        options.json.write_text(json.dumps(figures.as_json(), indent=1), "utf-8")
    if figures.wrong:
        sys.exit(f"not as it should be; the server's log ends with\n{log[-3000:]}")


if __name__ == "__main__":
    main()
