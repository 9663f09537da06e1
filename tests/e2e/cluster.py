"""A real Ray on this machine, with the server in it, as `serve run` starts it."""

import copy
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import yaml
from serving import ROOT, free_port

CONFIG = ROOT / "deploy" / "serve.yaml"
START_SECONDS = 120
ENVIRONMENT = {
    "RAY_AUTH_MODE": "disabled",  # a token would be written into the home folder
    "RAY_DEDUP_LOGS": "0",  # what two replicas say alike would be shown of one
    "RAY_USAGE_STATS_ENABLED": "0",
    # Its agents, which else have 15 s to start in, take longer on a busy machine, and Ray does not live without them.
    "RAY_agent_register_timeout_ms": "90000",
    "RAY_worker_niceness": "0",
    "PYTHONPATH": str(ROOT),
    "OMP_NUM_THREADS": "1",
    "FORWARDED_ALLOW_IPS": "192.0.2.255",  # Ray's own proxy believes those of this machine else, before the server does
}


def small(replicas: int, most: int, **others: Any) -> dict[str, Any]:
    """Return what makes a deployment small, and quick to grow and to shrink."""
    scaling = {"min_replicas": replicas, "max_replicas": most, "upscale_delay_s": 0.5, "downscale_delay_s": 1.0}
    looks = {"metrics_interval_s": 0.5, "look_back_period_s": 1.0}
    return {"ray_actor_options": {"num_cpus": 0.1}, "autoscaling_config": {**scaling, **looks, **others}}


class Cluster:
    """`serve run` with the shipped configuration, made small.

    Args:
        environment: Settings of the server.
        deployments: What to change of the configuration's deployments, by name.
    """

    def __init__(self, environment: dict[str, str], deployments: dict[str, dict[str, Any]]) -> None:
        self.port = free_port()
        self._config = yaml.safe_load(CONFIG.read_text())
        self._config["http_options"] = {"host": "127.0.0.1", "port": self.port}
        (application,) = self._config["applications"]
        application["runtime_env"]["env_vars"].update(environment)
        self._set(deployments)
        self._folder = tempfile.TemporaryDirectory()
        self.environment = {**ENVIRONMENT, "RAY_TMPDIR": self._folder.name}
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the cluster
        self._process: subprocess.Popen[bytes] | None = None
        self._dashboard = ""

    @property
    def stream(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    def __enter__(self) -> "Cluster":
        try:
            assert self._start(), self.log()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop()
        self._log.close()
        self._folder.cleanup()

    def log(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def replicas(self, deployment: str) -> list[dict[str, Any]]:
        """Return the replicas that are up or on the way, as Serve tells of them."""
        return list(self._ask()["applications"]["default"]["deployments"][deployment]["replicas"])

    def running(self, deployment: str) -> list[int]:
        """Return the process ids of those that answer; none of a deployment that there is not."""
        if deployment not in self._ask()["applications"]["default"]["deployments"]:
            return []
        return [replica["pid"] for replica in self.replicas(deployment) if replica["state"] == "RUNNING"]

    def hosts(self, sessions: set[str]) -> set[int]:
        """Return the process ids of the replicas that let these viewers in, as the log tells; it has to be JSON."""
        let_in = re.findall(r"pid=(\d+)\).*\"viewer_connected\", \"session\": \"(\w+)\"", self.log())
        return {int(pid) for pid, session in let_in if session in sessions}

    def change(self, deployments: dict[str, dict[str, Any]], **environment: str) -> None:
        """Change the configuration of what runs, as `serve deploy` does; other settings start everything anew."""
        self._set(deployments)
        (application,) = self._config["applications"]
        application["runtime_env"]["env_vars"].update(environment)
        body = json.dumps(self._config).encode()
        request = Request(f"{self._dashboard}/api/serve/applications/", body, method="PUT")  # noqa: S310 - http
        urlopen(request, timeout=10).close()  # noqa: S310

    def _set(self, deployments: dict[str, dict[str, Any]]) -> None:
        (application,) = self._config["applications"]
        for deployment in application["deployments"]:
            deployment.update(copy.deepcopy(deployments.get(deployment["name"], {})))

    def _start(self) -> bool:
        path = Path(self._folder.name, "serve.yaml")
        path.write_text(yaml.safe_dump(self._config))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ray.serve.scripts", "run", "--address", "local", str(path)],
            cwd=self._folder.name,
            env={**os.environ, **self.environment},
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        return until(lambda: self._process.poll() is not None or self.is_ready(), START_SECONDS) and self.is_ready()

    def is_ready(self) -> bool:
        """Return whether all that is configured has started."""
        found = re.findall(r"View the dashboard at \S*?(http://[\d.]+:\d+)", self.log())
        if not found:
            return False
        self._dashboard = found[-1]
        try:
            return self._ask()["applications"]["default"]["status"] == "RUNNING"
        except (URLError, TimeoutError, ConnectionError, KeyError):
            return False

    def _ask(self) -> dict[str, Any]:
        with urlopen(f"{self._dashboard}/api/serve/applications/", timeout=5) as answer:  # noqa: S310 - http
            told: dict[str, Any] = json.load(answer)
        return told

    def _stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)  # Ray ends what it has started
            try:
                self._process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None


def until(is_so: Callable[[], object], seconds: float) -> bool:
    """Wait until something is so; return whether it came about."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True
