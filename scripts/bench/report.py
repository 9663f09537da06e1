"""The benchmark's answers as tables for `docs/performance.md`, and as a picture."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.bench.networks import INTEGERS, VOICE, VOICE_INTEGERS
from scripts.bench.observed import DELAY_LIMIT

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


def tables(runs: Iterable[dict[str, Any]]) -> str:
    """Return Markdown of what runs of the benchmark found."""
    return "\n\n".join(part for run in runs for part in _parts(run))


def between_marks(document: str, text: str) -> str:
    """Return a document with `text` in place of what was between its marks.

    Raises:
        ValueError: It has no marks.
    """
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"there are no marks {BEGIN} and {END} in it")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def _parts(run: dict[str, Any]) -> Iterable[str]:
    machine = run["machine"]
    named = _named(run)
    title = " and ".join(named.values()) or "admission"
    yield f"### {title[0].upper()}{title[1:]}, {_models(run)}"
    yield (
        f"{machine['processor']}, {_cores(machine['cores'])}; {run['messages']} messages, "
        f"{_places(run)}; {run['source']}; {run['seconds']:g} s for each load; "
        f"{''.join(f'`{setting}`; ' for setting in run['settings'])}commit {run['commit']}"
    )
    if named:
        yield _capacities(run, named)
        for name, words in named.items():
            yield f"Every load, {words}:\n\n" + _steps(run[name]["steps"])
    if "stages" in run:
        yield _stages(run["stages"])
    if "admission" in run:
        yield _admission(run["admission"])


def _models(run: dict[str, Any]) -> str:
    voice = run.get("voice", VOICE)  # what every run before this was told had
    return f"face model `{run['face']}`" + (f", voice model `{voice}`" if voice != VOICE else "")


def _named(run: dict[str, Any]) -> dict[str, str]:
    """Return what the servers that were measured are called."""
    several = f" in {run['processes']} processes" if _processes(run) > 1 else ""
    words = {"server": f"this server{several}", "baseline": f"textbook server{several and ' in one'}"}
    return {name: called for name, called in words.items() if name in run}


def _places(run: dict[str, Any]) -> str:
    on = f"on {_cores(run['server_cores'] or 'all')}"
    several = _processes(run)
    return f"server {on}" if several == 1 else f"{several} processes of the server, each {on}"


def _cores(count: int | str) -> str:
    return f"{count} {'core' if count == 1 else 'cores'}"


def _processes(run: dict[str, Any]) -> int:
    return int(run.get("processes", 1))  # a run saved before there could be several does not say


def _capacities(run: dict[str, Any], named: Mapping[str, str]) -> str:
    floor = run["stages"]["floor"] if "stages" in run else None
    rows = []
    for name, words in named.items():
        found = run[name]
        held = [step for step in found["steps"] if step["holds"] and step["viewers"] == found["viewers"]]
        step = held[-1] if held else None
        over = "-" if floor is None or step is None else f"{step['cpu_ms'] / floor:.2f}"
        rows.append(
            (
                words,
                found["viewers"],
                *((_delays(step["delay"]), f"{step['cpu_ms']:.2f} ms", over) if step else ("-", "-", "-")),
                _or_dash(found["memory_per_viewer_mb"], "{:.2f} MB"),
                f"{found['start_seconds']:.1f} s",
            )
        )
    text = _table(
        ("", "viewers", "delay p50 / p95 / p99", "CPU a result", "to the floor", "memory a viewer", "start to ready"),
        rows,
    )
    if len(named) == 2 and run["baseline"]["viewers"]:
        text += f"\n\nViewers, ratio: {run['server']['viewers'] / run['baseline']['viewers']:.1f}"
        if {run["face"], run.get("voice")} & {INTEGERS, VOICE_INTEGERS}:
            text += "; the textbook server's networks are the same in floating point, for PyTorch has none in integers"
    return text


def _steps(steps: Sequence[dict[str, Any]]) -> str:
    return _table(
        ("viewers", "delay p50 / p95 / p99", "of sound, p95", "of frames, p95", "missed", "no new voice / face",
         "CPU a result", "cores: server / viewers / others", ""),
        [
            (
                step["viewers"],
                _delays(step["delay"]),
                _or_dash(step["sound"]["p95"], "{:.0f} ms"),
                _or_dash(step["frame"]["p95"], "{:.0f} ms"),
                step["missed"],
                f"{step['without_voice']:.1%} / {step['without_face']:.1%}",
                _or_dash(step["cpu_ms"], "{:.2f} ms"),
                " / ".join(_or_dash(step[part], "{:.2f}") for part in ("server_cores", "client_cores", "other_cores")),
                step["failure"] or "holds",
            )
            for step in steps
        ],
    )  # fmt: skip


def _stages(stages: dict[str, Any]) -> str:
    parts = [(name, f"{value:.3f} ms") for name, value in stages["parts"].items()]
    for name in ("face", "voice"):
        batches = stages[name]
        best = min(batches, key=batches.get)
        parts.append((f"{name} network, alone", f"{batches['1']:.3f} ms"))
        parts.append((f"{name} network, {best} at once", f"{batches[best]:.3f} ms"))
    parts.append(("**floor**: detector and both networks at their best", f"**{stages['floor']:.3f} ms**"))
    return _table(("part of a result", "CPU time"), parts)


def _admission(found: dict[str, Any]) -> str:
    step = found["admitted"]
    return _table(
        ("came", "refused", "let in", "delay p50 / p95 / p99", "missed", "no new voice / face", ""),
        [
            (
                found["offered"],
                found["refused"],
                step["viewers"],
                _delays(step["delay"]),
                step["missed"],
                f"{step['without_voice']:.1%} / {step['without_face']:.1%}",
                step["failure"] or "holds",
            )
        ],
    )


def _delays(delay: dict[str, float | None]) -> str:
    return " / ".join(_or_dash(delay[name], "{:.0f}") for name in ("p50", "p95", "p99")) + " ms"


def _or_dash(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in lines)


def plot(run: dict[str, Any], path: Path) -> None:
    """Draw the delay (p95) against the number of viewers, each server a line."""
    import matplotlib as mpl
    import matplotlib.ticker

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    colours = {"server": "#0b6e4f", "baseline": "#b3261e"}
    for name, words in _named(run).items():
        colour = colours[name]
        if drawn := _points(run[name]["steps"]):
            viewers, delays = zip(*drawn, strict=True)
            axes.plot(viewers, delays, "o-", color=colour, label=words)
            if run[name]["viewers"]:
                axes.axvline(run[name]["viewers"], color=colour, linewidth=0.8, linestyle=":")
    axes.axhline(DELAY_LIMIT * 1000, color="#555", linewidth=0.8, linestyle="--")
    axes.set(xscale="log", yscale="log", xlabel="viewers at the same time", ylabel="delay to the result, p95 in ms")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(mpl.ticker.LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:.0f}")
        axis.set_minor_formatter(mpl.ticker.NullFormatter())
    machine, models = run["machine"], _models(run).replace("`", "")
    axes.set_title(f"{machine['processor']}, {machine['cores']} cores, {models}", size=9)
    axes.grid(visible=True, which="both", linewidth=0.3)
    axes.legend()
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _points(steps: list[dict[str, Any]]) -> list[tuple[int, float]]:
    """Return (viewers, p95 in ms) in order, the better of two tries of the same number."""
    best: dict[int, float] = {}
    for step in steps:
        if step["delay"]["p95"] is not None:
            best[step["viewers"]] = min(step["delay"]["p95"], best.get(step["viewers"], float("inf")))
    return sorted(best.items())
