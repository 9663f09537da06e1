"""The signals, each in a process of its own: this one is not to be stopped by them."""

import os
import signal
import subprocess
import sys
import time

import pytest

from app.settings import ROOT

PROGRAM = """
import asyncio, signal, sys, threading, time
from app.stopping import stopping

def before(number, frame):
    global done
    print("then the server", flush=True)
    done = True

async def drain(seconds):
    print("first the viewers", flush=True)
    {drain}
    return 0

async def main():
    with stopping(drain):
        print("ready", flush=True)
        {work}

done = False
signal.signal(signal.SIGTERM, before)
asyncio.run(main())
signal.signal(signal.SIGTERM, signal.SIG_DFL)
{end}
print("ended", flush=True)
"""


UNTIL_DONE = "while not done: await asyncio.sleep(0.05)"  # as uvicorn does


def run(*numbers, drain="pass", work=UNTIL_DONE, end="pass"):
    """Start the program, send it signals; return its exit code, what it said, and the seconds from the first on."""
    command = [sys.executable, "-c", PROGRAM.format(drain=drain, work=work, end=end)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        began = time.monotonic()
        said = []
        for number in numbers:
            process.send_signal(number)
            said.append(process.stdout.readline().strip())
        said += process.stdout.read().split("\n")[:-1]
        return process.wait(10), said, time.monotonic() - began


def test_viewers_come_first_and_the_signal_that_comes_again_does_not_end_the_process():
    code, said, _ = run(signal.SIGTERM, end="signal.raise_signal(signal.SIGTERM)")
    assert (code, said) == (0, ["first the viewers", "then the server", "ended"])


def test_who_insists_does_not_wait_for_the_viewers():
    code, said, seconds = run(signal.SIGTERM, signal.SIGTERM, drain="await asyncio.sleep(60)")
    assert (code, said) == (0, ["first the viewers", "then the server", "ended"])
    assert seconds < 3


@pytest.mark.parametrize("work", ["time.sleep(60)", "await asyncio.sleep(60)"], ids=["loop", "server"])
def test_what_hangs_ends_with_the_process_and_in_time(work):
    code, _, seconds = run(signal.SIGTERM, work=work)
    assert code == 0
    assert seconds < 5


def test_without_a_signal_nothing_is_changed():
    code, said, _ = run(work="pass", end="signal.raise_signal(signal.SIGTERM)")
    assert (code, said) == (-signal.SIGTERM, [])


LOADING = """
import time
import app.server
from app.__main__ import main

app.server._load = lambda *arguments: time.sleep(60)
main()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_models_that_load_for_long_do_not_hold_it_up(number):
    environment = {**os.environ, "PORT": "0", "HOST": "127.0.0.1"}
    command = [sys.executable, "-c", LOADING]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=environment) as process:
        while "Waiting for application startup" not in process.stderr.readline():
            assert process.poll() is None
        time.sleep(0.5)  # the line comes just before the start
        began = time.monotonic()
        process.send_signal(number)
        assert process.wait(10) == 0
        assert time.monotonic() - began < 5
        assert "Traceback" not in process.stderr.read()
