"""What is printed below each heading of a card: sentences and tables, made of its figures."""

from typing import Any

from scripts.evaluate import tables, voice

FEW = 10
"""So few clips are listed one by one: shares of them would say nothing."""


def accuracy(figures: dict[str, Any]) -> list[str]:
    """Of `voice.accuracy`."""
    pooled = figures["pooled"]
    blocks = [tables.accuracy(pooled), tables.recalls(pooled), tables.genders(pooled)]
    if len(figures["by_model"]) > 1:
        blocks.append(tables.folds(figures["by_model"], figures["over_models"]))
    if figures["not_sharpened"]:
        both = {"as viewers see it": pooled[voice.STREAM], "not sharpened": figures["not_sharpened"]}
        blocks += ["The smoothed stream, how right and how sure:", tables.sureness(both)]
    blocks.append(tables.selective({voice.STREAM: pooled[voice.STREAM]}))
    for name in (voice.STREAM, voice.WHOLE):
        blocks += [f"Confusion, {name}:", tables.confusion(pooled[name])]
    return blocks


def calibrated_voice(figures: dict[str, Any]) -> list[str]:
    """Of `calibration.measure`."""
    views, by_model = figures["views"], figures["by_model"]
    both = tables.before_and_after(views)
    last = figures["by_clips"][str(figures["clips"])]
    blocks = [
        f"{last['learnt']} of {last['speakers']} speakers learnt, from at most {figures['clips']} clips each, "
        f"{last['speech']:.1f} s of speech on average; these clips are in none of the figures.",
        tables.gains(views),
        tables.recalls(both),
        tables.genders(both),
        "The smoothed stream, by what is learnt from:",
        tables.by_clips(figures["by_clips"]),
    ]
    if len(by_model) > 1:
        blocks += ["The smoothed stream, model by model:", tables.gains(by_model)]
    return blocks


def by_photograph(figures: dict[str, Any] | None) -> list[str]:
    """Of `face.by_photograph`."""
    if figures is None:
        return []
    names = {"new": "photograph not in training", "seen": "photograph in training"}
    told = "By whether the training split shows the same photograph, cut or lit a little otherwise:"
    return [told, tables.accuracy({name: figures[part] for part, name in names.items() if figures[part]})]


def fusion(figures: dict[str, Any]) -> list[str]:
    """Of `fusion.real`."""
    summary = (
        f"{figures['both_paths_answered']} of {figures['scenes']} clips answered by both paths; speakers: "
        f"{', '.join(figures['speakers'])}; face found in {figures['face_found']:.1%} of the results; weight of the "
        f"voice {figures['weight']:g}"
    )
    if "gain" not in figures:
        return [summary]
    if figures["scenes"] <= FEW:
        return [summary, tables.scenes(figures["each"])]
    rows = {name: figures[name] for name in ("voice", "face", "fused")}
    gain = figures["gain"]
    low, high = (100 * bound for bound in gain["interval"])
    return [
        summary,
        tables.accuracy(rows),
        tables.recalls(rows),
        f"Fused over {gain['over']} alone: {100 * gain['uar']:+.1f} points UAR [{low:+.1f}, {high:+.1f}] "
        "(paired bootstrap over clips)",
        tables.sweep(figures["sweep"]),
        "(for reading only: the weight is not chosen on these clips)",
    ]


def together(name: str, figures: dict[str, Any]) -> list[str]:
    """Of `fusion.beside`; `name` is the model's."""
    summary = f"{figures['both_paths_answered']} of {figures['scenes']} clips answered by both paths"
    if "gain" not in figures:
        return [summary]
    rows = {"late fusion": figures["late"], name: figures["together"]}
    low, high = (100 * bound for bound in figures["gain"]["interval"])
    return [
        summary,
        tables.accuracy(rows),
        tables.recalls(rows),
        f"{name} over late fusion: {100 * figures['gain']['uar']:+.1f} points UAR [{low:+.1f}, {high:+.1f}] "
        "(paired bootstrap over clips)",
    ]


def calibrated_fusion(figures: dict[str, Any]) -> list[str]:
    """Of `fusion.calibrated`."""
    learnt = " and ".join(f"the {path} of {count}" for path, count in figures["learnt"].items())
    summary = (
        f"Of {figures['speakers']} speakers {learnt} learnt, from {len(figures['learnt_from'])} neutral scenes, which "
        f"are in none of the figures; {figures['both_paths_answered']} of {figures['scenes']} other scenes answered by "
        "both paths."
    )
    paths = figures["paths"]
    return [summary, tables.gains(paths), tables.recalls(tables.before_and_after(paths))] if paths else [summary]
