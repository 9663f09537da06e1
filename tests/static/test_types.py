"""The compiler takes the types of the embeddable module: for those who use it, and for what the protocol sends."""

import json
import re
import subprocess
from pathlib import Path

import playwright
import pytest

from app.settings import ROOT

NODE = Path(playwright.__file__).parent / "driver" / "node"
COMPILER = ROOT / "node_modules" / "typescript" / "bin" / "tsc"
HERE = Path(__file__).parent / "types"
TYPES = {
    "ready": "Ready",
    "result": "Result",
    "calibration": "Calibration",
    "error": "Problem",
    "challenge": None,  # answered by the stream itself
    "configured": None,
}

pytestmark = pytest.mark.skipif(not COMPILER.exists(), reason="no TypeScript here: `npm ci` installs it")


def test_the_types_fit_who_embeds_it_and_what_the_protocol_sends(tmp_path):
    text = (ROOT / "docs" / "protocol.md").read_text("utf-8")
    examples = re.findall(r"^```json server\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    messages = [(TYPES[json.loads(text)["type"]], " ".join(text.split())) for text in examples]
    assert {name for name, _ in messages} >= set(TYPES.values()) - {None}
    module = ROOT / "static" / "js" / "emotion-stream.js"
    lines = [f'import type {{ {", ".join(filter(None, TYPES.values()))} }} from "{module}";']
    for number, (name, message) in enumerate(messages):
        if name is not None:
            lines.append(f"export const message{number}: {name} = {message};")
            # And without its last field it is none: the compiler looks at all of this.
            lines.append("// @ts-expect-error")
            lines.append(f"export const cut{number}: {name} = {json.dumps(_without_last(json.loads(message)))};")
    (tmp_path / "messages.ts").write_text("\n".join(lines), "utf-8")
    config = {"extends": str(HERE / "tsconfig.json"), "files": ["messages.ts", str(HERE / "embedding.ts")]}
    (tmp_path / "tsconfig.json").write_text(json.dumps(config), "utf-8")
    done = subprocess.run([NODE, COMPILER, "-p", tmp_path], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout


def _without_last(message):
    *kept, _ = message.items()
    return dict(kept)
