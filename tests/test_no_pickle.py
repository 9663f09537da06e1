"""No code reads what somebody else has written as a pickle, which would run it."""

import ast
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CODE = sorted(path for folder in ("app", "models", "scripts") for path in (ROOT / folder).rglob("*.py"))
PICKLERS = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
UNSAFE = {"read_pickle", "loadtxt_pickle", "unsafe_load", "load_state_dict_from_url"}
# Each reads pickles unless it is told, or has as its default, not to.
READERS = {"torch.load": ("weights_only", True, None), "np.load": ("allow_pickle", False, False),
           "numpy.load": ("allow_pickle", False, False)}  # fmt: skip


def faults(source: str) -> list[str]:
    """Return each place in a program that imports a pickler, or calls a reader in a way that runs what it reads."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found += [f"import {name.name}" for name in names if name.name.split(".")[0] in PICKLERS]
            case ast.ImportFrom(module=str(module), names=names):
                if module.split(".")[0] in PICKLERS:
                    found.append(f"from {module}")
                # A bare `load` would hide from what follows.
                if module in ("torch", "numpy") and "load" in {name.name for name in names}:
                    found.append(f"from {module} import load")
            case ast.Attribute(attr=name) if name in UNSAFE:
                found.append(name)
            case ast.Call(func=function, keywords=keywords) if (name := ast.unparse(function)) in READERS:
                option, safe, default = READERS[name]
                said = {word.arg: word.value for word in keywords}
                if None in said:
                    found.append(f"{name}(**...)")
                elif option in said:
                    if not (isinstance(said[option], ast.Constant) and said[option].value is safe):
                        found.append(f"{name}({option}={ast.unparse(said[option])})")
                elif default is not safe:
                    found.append(f"{name} without {option}")
    return found


def test_no_pickle_is_read() -> None:
    assert {path: found for path in CODE if (found := faults(path.read_text("utf-8")))} == {}


@pytest.mark.parametrize(
    "bad",
    [
        "import pickle",
        "import joblib.memory",
        "def later():\n    from pickle import loads",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=wish)",
        "torch.load(path, **options)",
        "from torch import load",
        "np.load(path, allow_pickle=True)",
        "pandas.read_pickle(path)",
        "torch.hub.load_state_dict_from_url(url)",
    ],
)
def test_what_would_read_one_is_found(bad: str) -> None:
    assert len(faults(bad)) == 1


def test_torch_is_used_at_all_so_that_the_search_has_something_to_find() -> None:
    assert sum("torch.load(" in path.read_text("utf-8") for path in CODE) >= 2


def test_the_hubs_client_reads_weights_alone() -> None:
    """wav2vec 2.0 is published as a torch archive too; transformers reads it by torch's weights-only unpickler."""
    package = importlib.util.find_spec("transformers")  # read, not imported: that takes long
    assert package is not None and package.origin is not None
    source = Path(package.origin).with_name("modeling_utils.py").read_text("utf-8")
    (loader,) = (
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and node.name == "from_pretrained"
    )
    defaults = dict(zip((each.arg for each in loader.args.kwonlyargs), loader.args.kw_defaults, strict=True))
    assert ast.unparse(defaults["weights_only"]) == "True"
