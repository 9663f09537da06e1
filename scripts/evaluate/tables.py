"""The figures as Markdown tables, as the model cards show them."""

from collections.abc import Iterable, Sequence
from typing import Any

from models.labels import LABELS

GAP = 0.10
"""A gap between the genders' UARs above this is marked."""
ECE = "ECE [95 %] (by chance)"
"""What `_ece` tells."""


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows)]
    return "\n".join(lines)


def share(value: float | None) -> str:
    """Return a share as a percentage."""
    return "-" if value is None else f"{value:.1%}"


def interval(bounds: Sequence[float] | None) -> str:
    """Return an interval of shares."""
    return "-" if bounds is None else f"[{bounds[0]:.1%}, {bounds[1]:.1%}]"


def points(value: float | None) -> str:
    """Return a difference of shares in percentage points."""
    return "-" if value is None else f"{100 * value:+.1f}"


def accuracy(rows: dict[str, dict[str, Any]]) -> str:
    """Return a line for each report: top-1, the mean confidence beside it, top-5, UAR, ECE, with intervals."""
    over_speakers = "UAR, 95 % over speakers"
    heads = ["", "n", "top-1 [95 %]", "confidence", "top-5", "UAR [95 %]", over_speakers, ECE]
    lines = [
        [name, f"{r['n']}", f"{share(r['top1'])} {interval(r['top1_interval'])}", share(r["confidence"]),
         share(r["top5"]), f"{share(r['uar'])} {interval(r['uar_interval'])}", interval(r.get("speaker_interval")),
         _ece(r)]
        for name, r in rows.items()
    ]  # fmt: skip
    if not any(r.get("speaker_interval") for r in rows.values()):
        left_out = heads.index(over_speakers)
        for line in (heads, *lines):
            del line[left_out]
    return table(heads, lines)


def sureness(rows: dict[str, dict[str, Any]]) -> str:
    """Return how right and how sure the answers of each report are."""
    return table(("", "n", "top-1", "confidence", ECE), (
        (name, f"{r['n']}", share(r["top1"]), share(r["confidence"]), _ece(r)) for name, r in rows.items()
    ))  # fmt: skip


def selective(rows: dict[str, dict[str, Any]]) -> str:
    """Return how many answers of each report are at least so sure, how right they are, and how right the others."""
    thresholds = list(next(iter(rows.values()))["selective"])
    heads = ("at least so sure", *thresholds)
    names = {"share": "of all", "top1": "right", "top1_of_others": "of the others right"}
    return table(heads, (
        (f"{row}: {name}", *(share(r["selective"][least][key]) for least in thresholds))
        for row, r in rows.items() for key, name in names.items()
    ))  # fmt: skip


def recalls(rows: dict[str, dict[str, Any]]) -> str:
    """Return the recall of each label, a line for each report."""
    return table(
        ("recall", *LABELS), ((name, *(share(r["recall"].get(label)) for label in LABELS)) for name, r in rows.items())
    )


def confusion(figures: dict[str, Any]) -> str:
    """Return the confusion matrix of a report: rows are true labels."""
    rows = ((label, *map(str, counts)) for label, counts in zip(LABELS, figures["confusion"], strict=True))
    return table(("true \\ said", *LABELS), rows)


def genders(rows: dict[str, dict[str, Any]]) -> str:
    """Return the UAR by gender, a line for each report; a gap above 10 points is marked."""
    there = sorted({gender for r in rows.values() for gender in r["by_gender"]})
    return table(("UAR", *there, "gap, points [95 % over speakers]"), (
        (name, *(share(r["by_gender"].get(gender, {}).get("uar")) for gender in there), _gap(r))
        for name, r in rows.items()
    ))  # fmt: skip


def folds(by_model: dict[str, dict[str, Any]], over_models: dict[str, dict[str, float | None]]) -> str:
    """Return the UAR of each model on its own speakers, a column for each view; mean and the sample's deviation."""
    rows = []
    for model, figures in by_model.items():
        people: list[str] = next((r["speakers"] for r in figures.values() if r), [])
        rows.append((model, " ".join(people), *(share(figures[name] and figures[name]["uar"]) for name in over_models)))
    means = (
        share(part["mean"]) + ("" if part["deviation"] is None else f" ± {100 * part['deviation']:.1f}")
        for part in over_models.values()
    )
    return table(("UAR", "speakers", *over_models), [*rows, ("mean ± standard deviation", "", *means)])


def voice_conditions(rows: dict[str, dict[str, Any]]) -> str:
    """Return what is left of the UAR in each condition."""
    heads = (
        "condition",
        "1 window: UAR",
        "lost, points",
        "stream: UAR",
        "95 % over speakers",
        "lost, points",
        "gap of genders [95 %]",
        "answered",
    )
    return table(heads, (
        (name, share(r["window"]["uar"]), points(r["window"]["lost"]), share(r["stream"]["uar"]),
         interval(r["stream"]["speaker_interval"]), points(r["stream"]["lost"]), _gap(r["stream"]),
         share(r["answered"]))
        for name, r in rows.items()
    ))  # fmt: skip


def cost_of_noise(by_noise: dict[str, dict[str, float | None]], snr: int) -> str:
    """Return by how many points of UAR so much of each noise costs."""
    heads = (f"{snr} dB of noise cost, points of UAR", *by_noise)
    names = {"window": "1 window", "stream": "smoothed stream"}
    return table(heads, (
        (name, *(points(costs[part]) for costs in by_noise.values())) for part, name in names.items()
    ))  # fmt: skip


def gains(rows: dict[str, dict[str, Any]]) -> str:
    """Return plain and calibrated figures of each view or path, and the gain, of each gender too where it is known.

    The interval of the gain is over speakers where there are several.
    """
    there = sorted({gender for r in rows.values() for gender in r["gain"].get("by_gender", {})})
    of_genders = there if len(there) > 1 else []
    people = any(r["gain"].get("speaker_interval") for r in rows.values())
    heads = ["", "n", "plain: UAR", "calibrated: UAR", f"gain, points [95 %{' over speakers' if people else ''}]",
             *(f"gain, {gender}" for gender in of_genders), f"plain: {ECE}", f"calibrated: {ECE}"]  # fmt: skip
    lines = [
        (name, f"{r['plain']['n']}", _with_interval(r["plain"]), _with_interval(r["calibrated"]), _gained(r["gain"]),
         *(points(r["gain"]["by_gender"].get(gender)) for gender in of_genders),
         _ece(r["plain"]), _ece(r["calibrated"]))
        for name, r in rows.items()
    ]  # fmt: skip
    return table(heads, lines)


def before_and_after(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the reports in pairs, ready for `recalls` and `genders`."""
    return {f"{name}, {part}": r[part] for name, r in rows.items() for part in ("plain", "calibrated")}


def by_clips(rows: dict[str, dict[str, Any]]) -> str:
    """Return the stream's gain by the number of clips that speakers were learnt from."""
    heads = ("neutral clips", "speech, s", "speakers learnt", "plain: UAR", "calibrated: UAR", "gain, points [95 %]")
    return table(heads, (
        (count, f"{r['speech']:.1f}", f"{r['learnt']} of {r['speakers']}", share(r["plain"]["uar"]),
         share(r["calibrated"]["uar"]), _gained(r["gain"]))
        for count, r in rows.items()
    ))  # fmt: skip


def not_a_voice(rows: dict[str, dict[str, Any]]) -> str:
    """Return what is shown of sounds without a voice."""
    heads = ("sound", "RMS", "shown as silence", "of the rest above 0.6", "the surest", "most shown")
    return table(heads, (
        (name, f"{r['rms']:.4f}", share(r["gated"]), share(r["sure"]), share(r["surest"]), r["label"] or "-")
        for name, r in rows.items()
    ))  # fmt: skip


def face_conditions(rows: dict[str, dict[str, Any]]) -> str:
    """Return what is left on crops and through the whole face path in each condition."""
    heads = ("condition", "n", "crop: UAR", "lost, points", "face found", "in the frame: UAR", "lost, points")
    return table(heads, (
        (name, f"{r['n']}", *_left(r["crop"]), share(r["found"]), *_left(r["frame"])) for name, r in rows.items()
    ))  # fmt: skip


def far_faces(figures: dict[str, Any]) -> str:
    """Return in how many frames a face of each width was found."""
    heads = ("width of the face", *(f"{side} px" for side in figures["found"]))
    return table(heads, [(f"found in {figures['frames']} frames", *map(str, figures["found"].values()))])


def scenes(each: list[dict[str, str]]) -> str:
    """Return what was shown of each clip."""
    return table(tuple(each[0]), (tuple(row.values()) for row in each))


def sweep(by_weight: dict[str, float]) -> str:
    """Return the fused UAR by the weight of the voice."""
    return table(("weight of the voice", *by_weight), [("fused UAR", *map(share, by_weight.values()))])


def speeds(rows: dict[str, dict[str, Any]]) -> str:
    """Return the medians and the sizes of the models."""
    lines = []
    for name, r in rows.items():
        size = "-" if r["parameters"] is None else f"{r['parameters']:,}"
        weight = "-" if r["onnx_bytes"] is None else f"{r['onnx_bytes'] / 1e6:.1f} MB"
        lines += [(name, size, weight, what, f"{ms:.2f}") for what, ms in r["ms"].items()]
    return table(("model", "parameters", "ONNX file", "one answer of", "ms, median"), lines)


def _with_interval(figures: dict[str, Any]) -> str:
    over_speakers = figures.get("speaker_interval")
    return share(figures["uar"]) + (f" {interval(over_speakers)}" if over_speakers else "")


def _gained(gain: dict[str, Any]) -> str:
    low, high = gain.get("speaker_interval") or gain["interval"]
    return f"{points(gain['uar'])} [{points(low)}, {points(high)}]"


def _left(part: dict[str, Any] | None) -> tuple[str, str]:
    return ("-", "-") if part is None else (share(part["uar"]), points(part["lost"]))


def _gap(figures: dict[str, Any]) -> str:
    gap, bounds = figures["gender_gap"], figures["gender_gap_interval"]
    if gap is None:
        return "-"
    told = f"**{100 * gap:.1f} (above 10)**" if gap > GAP else f"{100 * gap:.1f}"
    return told if bounds is None else f"{told} [{100 * bounds[0]:.1f}, {100 * bounds[1]:.1f}]"


def _ece(figures: dict[str, Any]) -> str:
    low, high = figures["ece_interval"]
    return f"{figures['ece']:.3f} [{low:.3f}, {high:.3f}] ({figures['ece_by_chance']:.3f})"
