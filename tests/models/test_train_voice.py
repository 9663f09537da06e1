"""Voice networks of the registry through the one training command, to the live stream."""

import shutil
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from app.inference.loading import load_models
from app.settings import Settings
from app.viewer.session import Session
from models.datasets import meld
from models.datasets.clips import Clip
from models.datasets.splits import Split
from models.held_out import HeldOut
from models.labels import LABELS
from models.loading import load_voice
from models.registry import entry, list_models
from models.torch_engine import Calibrated
from models.training import Recipe
from scripts import train_voice
from tests.models.datasets import test_meld
from tests.models.datasets.trees import write_sound
from tests.models.voices import ravdess_tree

SHIPPED = Path(__file__).resolve().parents[2] / "weights"
FOUR = ("sad", "angry", "neutral", "happy")
MISSING = [label not in FOUR for label in LABELS]


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", [str(train_voice.__file__), *map(str, arguments)])


def train(root: Path, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> Path:
    """Train for an epoch of two batches; return the folder of the artefact."""
    weights = root / "weights"
    command(monkeypatch, "--epochs", 1, "--batches", 2, "--batch-size", 8, "--weights", weights, "--run", root / "run",
            "--overwrite", *arguments)  # fmt: skip
    train_voice.main()
    return weights


def listed(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> Split[Clip]:
    command(monkeypatch, "--name", "any", *arguments)
    return train_voice.listed(train_voice.arguments())


def said(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> tuple[str, ...]:
    """Return the labels that such a command is about."""
    command(monkeypatch, "--name", "any", *arguments)
    labels: tuple[str, ...] = train_voice.arguments().labels
    return labels


def speakers(clips: list[Clip]) -> set[str]:
    return {clip.speaker for clip in clips}


def touch(root: Path, *names: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for name in names:
        (root / name).touch()
    return root


@pytest.fixture(scope="module")
def ravdess(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ravdess")
    ravdess_tree(root, range(1, 6))
    return root


def test_the_usual_run_is_named_as_ever(
    ravdess: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = train(tmp_path, monkeypatch, "--ravdess", ravdess, "--channels", 16, "--hidden", 12)
    known = torch.load(tmp_path / "run" / "last.pt", weights_only=True)["identity"]
    recipe = Recipe(epochs=1, batch_size=8, lr=3e-3, ema_decay=0.995, mixup=0.0, label_smoothing=0.05, patience=1)
    for part in ("examples to train on", "examples held out"):
        assert len(known.pop(part)) == 64
    assert known == asdict(recipe) | {
        "fold": None, "heard": ["ravdess-02", "ravdess-03", "ravdess-04", "ravdess-05"],
        "network": {"adaptive": True, "channels": 16, "hidden": 12, "dropout": 0.2},
        "mix": {"batches": 2, "known": 0.5, "non_speech": 0.08},
    }  # fmt: skip
    (told,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("recipe"))
    assert told.startswith("recipe: epochs 1, batch size 8, lr 0.003, ") and ", patience 1, " in told
    info = Calibrated.load(weights / "audio_bilstm.pt").info
    assert info.adaptive and info.labels == LABELS and info.heard == tuple(known["heard"])
    assert "16 clips of 2 speakers: RAVDESS" in (weights / "audio_bilstm.md").read_text()
    command(monkeypatch, "--ravdess", ravdess, "--patience", 3, "--name", "other")
    assert [phase.patience for phase in train_voice.arguments().phases] == [3]


@pytest.mark.parametrize("model", list_models("voice"))
def test_every_network_is_trained_on_some_of_the_labels_and_runs_in_the_stream(
    model: str, ravdess: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = [word for name, value in entry(model).tiny.items() for word in ("--option", f"{name}={value}")]
    weights = train(tmp_path, monkeypatch, "--model", model, "--data", "RAVDESS", ravdess, "--labels", ",".join(FOUR),
                    "--name", "four", *options)  # fmt: skip
    info = Calibrated.load(weights / "four.pt").info
    assert (info.kind, info.network, info.labels) == ("voice", model, FOUR)
    assert info.options["classes"] == 4 and info.options.items() >= dict(entry(model).tiny).items()
    assert info.adaptive == (model == "audio_bilstm")
    assert len(info.neutral) == 7 and [share == 0 for share in info.neutral] == MISSING
    assert "Labels: sad, angry, neutral, happy" in (weights / "four.md").read_text()

    onnx, torch_ = (load_voice("four", engine=engine, weights_dir=weights) for engine in ("onnx", "torch"))
    assert onnx.traits == torch_.traits == info.traits
    assert onnx.heard == {f"ravdess-{actor:02d}" for actor in range(2, 6)}
    rng = np.random.default_rng(0)
    for seconds in (0.5, 1.0, 4.0):
        windows = (rng.standard_normal((2, round(seconds * 16_000))) * 3000).astype(np.int16)
        probs = onnx.predict(windows)
        np.testing.assert_allclose(probs, torch_.predict(windows), atol=1e-4)
        np.testing.assert_allclose(probs.sum(axis=1), 1.0, atol=1e-4)
        assert (probs == 0).tolist() == [MISSING, MISSING]

    for path in SHIPPED.glob("fer_resnet.*"):
        shutil.copy(path, weights)
    settings = Settings(_env_file=None, voice_model="four", face_model="fer_resnet", weights_dir=weights)
    served = load_models(settings)
    served.face.close()
    session = Session(settings, 0.0, served.voice.traits, served.face.model.traits)
    session.receive_audio((rng.standard_normal(16_000) * 3000).astype(np.int16), 1, 1.0)
    window = session.take_window(1.0)
    assert window is not None
    session.heard(window, served.voice.predict(window.samples[None])[0], 1.0)
    heard = session.result(1.0).voice
    assert heard.state == "ok" and [heard.probs[label] == 0 for label in LABELS] == MISSING


def test_a_killed_run_goes_on(ravdess: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = ("--model", "cnn_mfcc", "--data", "ravdess", ravdess, "--epochs", 3)
    whole = train(tmp_path / "whole", monkeypatch, *given)
    judged = []

    def metrics(held_out: HeldOut, network: torch.nn.Module) -> dict[str, float]:
        judged.append(network)
        if len(judged) == 2:
            raise KeyboardInterrupt
        return ask(held_out, network)

    ask = HeldOut.metrics
    monkeypatch.setattr(HeldOut, "metrics", metrics)
    with pytest.raises(SystemExit) as ended:
        train(tmp_path / "killed", monkeypatch, *given)
    assert ended.value.code == 130
    assert not list((tmp_path / "killed" / "weights").iterdir())
    monkeypatch.setattr("scripts.training_options.commit", lambda: "abcdef0")  # as if the code were another by then
    killed = train(tmp_path / "killed", monkeypatch, *given, "--threads", 1)
    assert len(judged) == 4  # one epoch was kept, the other two came after
    card = (killed / "cnn_mfcc.md").read_text()
    (made,) = (line for line in card.splitlines() if line.startswith("- Made by "))
    assert made.endswith(", taken up again at abcdef0") and "--threads" not in made
    monkeypatch.setattr("scripts.training_options.commit", lambda: "abcdef1")
    assert train(tmp_path / "killed", monkeypatch, *given) == killed
    assert (killed / "cnn_mfcc.md").read_text() == card
    one, other = (torch.load(weights / "cnn_mfcc.pt", weights_only=True)["state"] for weights in (whole, killed))
    for key, values in one.items():
        torch.testing.assert_close(other[key], values, rtol=0, atol=0)
    with pytest.raises(SystemExit, match=r"is of another run, with other .*\blabels\b"):
        train(tmp_path / "killed", monkeypatch, *given, "--labels", ",".join(FOUR))


def test_a_run_does_not_go_on_with_other_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clips that are added can move a person from what is held out to what is trained on."""
    own = tmp_path / "own"
    for speaker in range(4):
        for label in ("happy", "sad"):
            write_sound(own / f"{speaker}" / label / "1.wav", seconds=1.2, hertz=200 + 60 * speaker)
    given = ("--model", "cnn_mfcc", "--labels", "happy,sad", "--data", "own")
    train(tmp_path, monkeypatch, *given, own)
    own = own.rename(tmp_path / "moved")  # the same data
    train(tmp_path, monkeypatch, *given, own)
    for clip in range(2, 9):
        write_sound(own / "0" / "sad" / f"{clip}.wav", seconds=1.2)
    with pytest.raises(SystemExit, match=r"is of another run, with other examples to train on.*: remove it"):
        train(tmp_path, monkeypatch, *given, own)


def test_a_run_goes_on_from_the_weights_of_another(
    ravdess: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ("--model", "cnn_mfcc", "--data", "ravdess", ravdess)
    first = train(tmp_path / "first", monkeypatch, *given) / "cnn_mfcc.pt"
    second = train(tmp_path / "second", monkeypatch, *given, "--start", first, "--lr", 0) / "cnn_mfcc.pt"
    one, other = (Calibrated.load(path).network.state_dict() for path in (first, second))
    weight = "body.0.weight"
    torch.testing.assert_close(other[weight], one[weight], rtol=0, atol=1e-6)
    with pytest.raises(SystemExit, match="cannot be built like this"):
        train(tmp_path / "third", monkeypatch, *given, "--start", first, "--option", "hidden=16")


def test_the_terms_of_what_it_learnt_from_are_in_its_card_and_handed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The card beside an artefact says it where that says nothing itself; a card that is lost is named."""
    for speaker in range(3):
        for label in LABELS:
            write_sound(tmp_path / "own" / f"{speaker}" / label / "1.wav", seconds=1.2, hertz=200 + 60 * speaker)
    given = ("--data", "own", tmp_path / "own", "--lr", 0, "--batch-size", 2)
    shipped = Calibrated.load(SHIPPED / "audio_bilstm.pt", "voice")
    silent = tmp_path / "audio_bilstm.pt"
    Calibrated(shipped.network, replace(shipped.info, data="", licence="")).save(silent)
    shutil.copy(SHIPPED / "audio_bilstm.md", tmp_path)
    weights = train(tmp_path / "a", monkeypatch, *given, "--start", silent, "--teacher", silent)
    first = (weights / "audio_bilstm_own.md").read_text()
    (licence,) = (line for line in first.splitlines() if line.startswith("- Licence: recordings or pictures of one's"))
    for term in ("CC BY-NC-SA 4.0", "SAVEE (Haq & Jackson 2010): for research", "CC BY-NC-ND 4.0"):
        assert licence.count(term) == 1
    (data,) = (line for line in first.splitlines() if line.startswith("- Data: "))
    assert "by way of `audio_bilstm`, which it learnt from: 4180 clips of 22 speakers: RAVDESS" in data
    (weights / "audio_bilstm_own.md").unlink()  # the artefact says it all
    pupil = train(tmp_path / "b", monkeypatch, *given, "--teacher", weights / "audio_bilstm_own.pt",
                  "--model", "cnn_mfcc")  # fmt: skip
    assert licence.removeprefix("- Licence: ") in (pupil / "cnn_mfcc_own.md").read_text()
    shutil.copy(silent, tmp_path / "alone.pt")
    weights = train(tmp_path / "c", monkeypatch, *given, "--start", tmp_path / "alone.pt")
    card = (weights / "audio_bilstm_own.md").read_text()
    assert card.count("by way of `audio_bilstm`, which it learnt from: see the card of alone.pt") == 2


def test_published_weights_are_trained_in_two_phases(
    ravdess: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub's cache holds the published architecture with random weights: nothing can be fetched here."""
    import timm
    from huggingface_hub import constants
    from safetensors.torch import save_file

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    known = entry("mobilevit_xs")
    assert known.weights is not None
    repository = tmp_path / "hub" / f"models--{known.weights.hub.replace('/', '--')}"
    files = repository / "snapshots" / ("0" * 40)
    files.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    published = timm.create_model(known.weights.hub.removeprefix("timm/")).state_dict()
    save_file(published, files / "model.safetensors")

    weights = train(tmp_path, monkeypatch, "--model", "mobilevit_xs", "--pretrained", "--data", "ravdess", ravdess,
                    "--option", "width=64", "--lr", 1e-3, 0)  # fmt: skip
    runs = [torch.load(tmp_path / "run" / name / "last.pt", weights_only=True) for name in ("head", "all")]
    assert [run["identity"]["lr"] for run in runs] == [1e-3, 0]
    assert [run["identity"]["phase"] for run in runs] == ["head", "all"]
    conv = "backbone.stages.0.0.conv1_1x1.conv.weight"
    torch.testing.assert_close(runs[0]["network"][conv], published[conv.removeprefix("backbone.")], rtol=0, atol=0)
    assert len(runs[0]["optimizer"]["state"]) == 2  # the classifier's weight and bias
    assert len(runs[1]["optimizer"]["state"]) > 2
    card = (weights / "mobilevit_xs.md").read_text()
    assert f"Started from: huggingface.co/{known.weights.hub}" in card
    assert f"by way of `huggingface.co/{known.weights.hub}`, which it learnt from: {known.weights.licence}" in card
    assert "pretrained" not in Calibrated.load(weights / "mobilevit_xs.pt").info.options


@pytest.mark.parametrize("fold", [None, 0, 4])
def test_actors_kept_for_the_last_test_have_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fold: int | None
) -> None:
    names = [f"03-01-{emotion:02d}-01-01-01-{actor:02d}.wav" for actor in range(1, 25) for emotion in range(1, 9)]
    given = ["--ravdess", touch(tmp_path, *names), *([] if fold is None else ["--fold", fold])]
    split = listed(monkeypatch, *given)
    split.check_speakers()
    everybody = speakers(split.train) | speakers(split.validation) | speakers(split.test)
    assert everybody == {f"ravdess-{actor:02d}" for actor in range(2, 21)}
    assert len(speakers(split.validation)) == 2
    assert len({int(speaker[-2:]) % 2 for speaker in speakers(split.validation)}) == 2
    assert len(split.test) == (0 if fold is None else 8 * len(train_voice.fold_actors(fold)))


def test_data_sets_are_joined_and_each_is_split_by_speaker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crema = touch(tmp_path / "crema", *(f"{who}_DFA_{mood}_XX.wav" for who in range(1001, 1021)
                                        for mood in ("ANG", "HAP", "FEA")))  # fmt: skip
    tess = touch(tmp_path / "tess", *(f"{who}_back_{mood}.wav" for who in ("OAF", "YAF") for mood in ("angry", "ps")))
    savee = touch(tmp_path / "savee", *(f"{who}_{mood}01.wav" for who in ("DC", "JE", "JK", "KL") for mood in "ah"))
    one = listed(monkeypatch, "--data", "CREMA-D", crema, "--data", "tess", tess, "--savee", savee,
                 "--labels", "angry,happy,fear,surprise")  # fmt: skip
    one.check_speakers()
    assert speakers(one.train) >= {"tess-oaf", "tess-yaf", "savee-dc", "savee-kl"}  # too few, and asked for whole
    for part in (one.validation, one.test):
        assert len(speakers(part)) == 3 and all(who.startswith("crema_d-") for who in speakers(part))

    other = listed(monkeypatch, "--data", "crema_d", crema, "--data", "savee", savee, "--labels", "angry,happy")
    other.check_speakers()
    assert {clip.label for part in (other.train, other.validation, other.test) for clip in part} == {"angry", "happy"}
    assert sum(who.startswith("savee-") for who in speakers(other.validation)) == 1
    with pytest.raises(SystemExit, match="in two parts of the split: savee-"):
        train(tmp_path, monkeypatch, "--data", "savee", savee, "--savee", savee)


def test_labels_are_those_of_the_data_where_none_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    crema = tuple(label for label in LABELS if label != "surprise")
    assert said(monkeypatch, "--data", "crema_d", ".") == crema
    assert said(monkeypatch, "--data", "crema_d", ".", "--savee", ".") == LABELS
    assert said(monkeypatch, "--ravdess", ".", "--labels", "sad, happy") == ("sad", "happy")


def test_the_published_split_is_taken_where_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cast = ("Chandler", "Joey", "Monica", "Phoebe", "Rachel", "Ross")
    monkeypatch.setattr(test_meld, "SAID", [(who, mood) for who in cast for mood in meld.EMOTIONS])
    root = test_meld.meld_tree(tmp_path / "meld")
    split = listed(monkeypatch, "--data", "meld", root, "--official")
    for part, name in ((split.train, "train"), (split.validation, "dev"), (split.test, "test")):
        assert {clip.path.parent.name for clip in part} == {meld.FOLDERS[name]}
    assert speakers(split.train) & speakers(split.validation)
    split = listed(monkeypatch, "--data", "meld", root)
    split.check_speakers()
    assert [len(speakers(part)) for part in (split.train, split.validation, split.test)] == [4, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--model", "cnn_mfc"], "did you mean cnn_mfcc"),
        (["--model", "resnet18"], "no voice network"),
        (["--labels", "happy,calm"], "no label calm"),
        (["--labels", "happy"], "not two or more"),
        (["--option", "hiden=3"], "audio_bilstm takes no option hiden"),
        (["--hidden", "-3"], "argument --hidden: '-3' is not a whole number from 1 on"),
        (["--option", "hidden"], "not NAME=VALUE"),
        (["--option", "hidden=many"], "audio_bilstm cannot be built like this"),
        (["--model", "wav2vec2", "--option", "size=huge"], "no size 'huge'"),
        (["--model", "cnn_mfcc", "--pretrained"], "nobody publishes weights for cnn_mfcc"),
        (["--epochs", "1", "2"], "--epochs takes one number\n"),
        (["--labels", "happy,sad", "--option", "adaptive=true"], "neutral must be among its labels"),
        (["--official"], "no published split of ravdess"),
        (["--data", "fer2013", "."], "fer2013 has no speech"),
        (["--data", "iemocap", "."], "no data set 'iemocap'"),
        (["--savee", "missing"], "no SAVEE speech below missing"),
        (["--start", "missing.pt"], "missing.pt: No such file"),
        (["--mixup", "nan"], "argument --mixup: invalid rate value: 'nan'"),
        (["--label-smoothing", "5"], "argument --label-smoothing: invalid share value: '5'"),
        (["--non-speech", "3"], "argument --non-speech: invalid share value: '3'"),
        (["--name", "folds/mine"], "'folds/mine' is no name of a file"),
        (["--run", f"{__file__}/run"], f"nothing can be written to {__file__}/run: Not a directory"),
    ],
)
def test_what_cannot_be_is_said_before_training(
    ravdess: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], why: str,
) -> None:  # fmt: skip
    with pytest.raises(SystemExit) as refused:
        train(tmp_path, monkeypatch, "--ravdess", ravdess, *arguments)
    assert why in f"{refused.value} {capsys.readouterr().err}"
    assert not (tmp_path / "weights").exists()


def test_where_the_artefact_cannot_be_written_nothing_is_trained(
    ravdess: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights").touch()
    with pytest.raises(SystemExit, match=r"nothing can be written to .*weights: File exists"):
        train(tmp_path, monkeypatch, "--ravdess", ravdess)
    assert not (tmp_path / "run" / "metrics.csv").exists()


def test_an_artefact_that_is_there_is_replaced_only_where_that_is_asked_for(
    ravdess: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "cnn_mfcc.onnx").write_bytes(b"somebody's")
    (weights / "cnn_mfcc_int8.onnx").write_bytes(b"made of it")
    command(monkeypatch, "--model", "cnn_mfcc", "--ravdess", ravdess, "--weights", weights)
    told = (
        r"^.*weights has cnn_mfcc\.onnx already: give another --name or --weights DIR, or --overwrite; "
        r"cnn_mfcc_int8\.onnx, made of it, would be of another network then$"
    )
    with pytest.raises(SystemExit, match=told):
        train_voice.main()
    assert (weights / "cnn_mfcc.onnx").read_bytes() == b"somebody's" and len(list(weights.iterdir())) == 2
    train(tmp_path, monkeypatch, "--model", "cnn_mfcc", "--ravdess", ravdess)
    (said,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("wrote "))
    assert said.startswith(f"wrote {weights / 'cnn_mfcc'}.pt, cnn_mfcc.onnx and cnn_mfcc.md; cnn_mfcc_int8.onnx is of")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "there is nothing to choose by"),
        (["--fold", "1", "--data", "tess", "{tess}"], "there is no --ravdess DIR"),
        (["--data", "tess", "{tess}"], "there is no clip to choose by"),
        (["--data", "tess", "{tess}", "--labels", "angry,sad"], "there is no clip to train on of sad"),
    ],
)
def test_data_that_are_too_few_are_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    tess = touch(tmp_path / "tess", "OAF_back_angry.wav", "YAF_back_angry.wav",
                 *(f"OAF_back_{mood}.wav" for mood in ("neutral", "happy", "disgust", "fear", "ps")))  # fmt: skip
    if "--labels" not in arguments:
        touch(tess, "OAF_back_sad.wav")
    with pytest.raises(SystemExit) as refused:
        train(tmp_path, monkeypatch, *(word.format(tess=tess) for word in arguments))
    assert why in f"{refused.value} {capsys.readouterr().err}"
