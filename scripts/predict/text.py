"""An answer as a table for people."""

from app.protocol import FacePart, FusedPart, VoicePart
from scripts.predict.answer import Answer

Part = VoicePart | FacePart | FusedPart


def table(answer: Answer) -> str:
    """Return what is said of a source: a heading, a line for each moment, the whole, the five most probable labels."""
    lines = [f"{answer.source}: {answer.used}", _line("seconds", "voice", "face", "both")]
    lines += [
        _line(f"{result.t:.1f}", *(_words(part) for part in (result.voice, result.face, result.fused)))
        for result in answer.timeline
    ]
    lines.append(_line("whole", *(_words(part) for part in (answer.voice, answer.face, answer.fused))))
    if answer.top5:
        lines.append("top 5: " + ", ".join(f"{ranked.label} {ranked.prob:.0%}" for ranked in answer.top5))
    return "\n".join(lines)


def _line(when: str, voice: str, face: str, both: str) -> str:
    return f"{when:>9}  {voice:<24}{face:<24}{both}".rstrip()


def _words(part: Part) -> str:
    state = {"no_face": "no face", "none": "nothing", "voice_only": "voice only", "face_only": "face only"}.get(
        part.state, part.state
    )
    if part.label is None:
        return state
    said = f"{part.label} {part.probs[part.label]:.0%}"
    return said if part.state == "ok" else f"{said} ({state})"
