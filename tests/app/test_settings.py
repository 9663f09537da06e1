import subprocess
import sys
from pathlib import Path

import pytest
from annotated_types import Ge, Le
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.settings import ROOT, Settings, load
from models.detection import LEAST_CONFIDENCE
from models.image import MAX_SIDE
from scripts.settings_table import env_example, markdown_table, rows, with_table


def defaults(**changes) -> Settings:
    return Settings(_env_file=None, **changes)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_env_example_is_current():
    assert (ROOT / ".env.example").read_text("utf-8") == env_example()


def test_env_example_is_a_valid_env_file_that_changes_nothing():
    assert Settings(_env_file=ROOT / ".env.example") == defaults()


def test_every_setting_is_documented():
    assert [row.name.lower() for row in rows()] == list(Settings.model_fields)
    assert all(row.what.endswith(".") and row.values for row in rows())


def test_no_detector_confidence_is_allowed_that_has_no_effect():
    (least,) = (bound.ge for bound in Settings.model_fields["detector_confidence"].metadata if isinstance(bound, Ge))
    assert least == min(LEAST_CONFIDENCE)


def test_no_number_of_pixels_is_allowed_that_no_picture_may_have():
    (most,) = (bound.le for bound in Settings.model_fields["max_frame_pixels"].metadata if isinstance(bound, Le))
    assert most == MAX_SIDE**2


def test_the_table_replaces_what_is_between_the_markers_and_nothing_else():
    old = "before\n<!-- settings: begin -->\nold\n<!-- settings: end -->\nafter\n"
    new = with_table(old)
    assert new == f"before\n{markdown_table()}\nafter\n"
    assert with_table(new) == new
    with pytest.raises(ValueError, match="needs the lines"):
        with_table("no markers")


def test_the_environment_wins_over_the_env_file(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("FUSION_WEIGHT=0.2\nVOICE_SMOOTHING=3\nRAVDESS_ROOT=\n")
    monkeypatch.setenv("FUSION_WEIGHT", "0.9")
    settings = load()
    assert (settings.fusion_weight, settings.voice_smoothing, settings.ravdess_root) == (0.9, 3, None)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("FUSION_WEIGHT", "1.5", "less than or equal to 1"),
        ("FUSION_WEIGHT", "nan", "finite"),
        ("DETECTOR_CONFIDENCE", "0.4", "greater than or equal to 0.5"),
        ("VOICE_WINDOW", "0.1", "greater than or equal to 0.5"),
        ("PORT", "eighty", "valid integer"),
        ("INFERENCE_ENGINE", "tensorflow", "'onnx' or 'torch'"),
        ("QUICK_CHECK", "maybe", "valid boolean"),
    ],
)
def test_a_bad_value_stops_with_one_line_that_names_it(monkeypatch, name, value, problem):
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as stop:
        load()
    line = str(stop.value)
    assert f"{name}={value}" in line
    assert problem in line
    assert "\n" not in line


def test_an_address_has_connections_enough_for_its_viewers(monkeypatch):
    monkeypatch.setenv("MAX_VIEWERS_PER_ADDRESS", "200")
    with pytest.raises(SystemExit, match="MAX_CONNECTIONS_PER_ADDRESS=150: should be at least MAX_VIEWERS_PER_ADDRESS"):
        load()
    for enough in (0, 200):
        assert defaults(max_viewers_per_address=200, max_connections_per_address=enough)


def test_a_misspelt_name_in_the_env_file_is_refused(tmp_path):
    (tmp_path / ".env").write_text("FUSON_WEIGHT=0.5\n")
    with pytest.raises(SystemExit, match="there is no such setting"):
        load()


@pytest.mark.parametrize("line", ["API_TOKEN: a secret of sixteen", 'API_TOKEN="a secret of sixteen', "API_TOKEN"])
def test_a_line_of_the_env_file_that_sets_nothing_is_refused_and_not_repeated(tmp_path, line):
    (tmp_path / ".env").write_text(f"# the server\nMETRICS=false\n\n{line}\n")
    with pytest.raises(SystemExit, match=r"^Settings refused: \.env, line 4: not a setting as NAME=value$"):
        load()


@given(st.floats())
def test_the_fusion_weight_is_between_zero_and_one(weight):
    if 0 <= weight <= 1:
        assert defaults(fusion_weight=weight).fusion_weight == weight
    else:
        with pytest.raises(ValidationError):
            defaults(fusion_weight=weight)


@pytest.mark.parametrize("name", ["WEIGHTS_DIR", "RAVDESS_ROOT", "FER2013_ROOT"])
def test_a_folder_may_be_in_the_home_folder_or_relative_to_the_project(monkeypatch, tmp_path, name):
    monkeypatch.setenv("HOME", str(tmp_path))
    for value, folder in {"~/data": tmp_path / "data", "data": ROOT / "data", "/data": Path("/data")}.items():
        monkeypatch.setenv(name, value)
        assert getattr(load(), name.lower()) == folder
    monkeypatch.setenv(name, "~nobody-of-this-name/data")
    with pytest.raises(SystemExit, match=f"{name}=.*no such home folder"):
        load()


def test_an_env_file_that_is_no_text_stops_with_one_line(tmp_path):
    (tmp_path / ".env").write_bytes("VOICE_MODEL=é".encode("latin-1"))
    with pytest.raises(SystemExit, match=r"^Settings refused: \.env cannot be read: .*$"):
        load()


@pytest.mark.parametrize(
    ("interval", "stale", "accepted"), [(1, 2, True), (5, 10, True), (5, 2, False), (1, 1.9, False)]
)
def test_a_frame_stays_fresh_until_the_next_result(monkeypatch, interval, stale, accepted):
    monkeypatch.setenv("RESULT_INTERVAL", str(interval))
    monkeypatch.setenv("STALE_AFTER", str(stale))
    if accepted:
        assert load().stale_after == stale
    else:
        with pytest.raises(SystemExit, match=r"STALE_AFTER=.*twice RESULT_INTERVAL"):
            load()


def start(command, folder, **environment):
    return subprocess.run(
        [sys.executable, "-m", *command],
        env={"PYTHONPATH": str(ROOT), **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("host", ["x86_64-conda-linux-gnu", "not a host", "a" * 100])
def test_python_m_app_does_not_start_on_what_is_no_host(tmp_path, host):
    done = start(["app"], tmp_path, HOST=host)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Settings refused: HOST={host}: ")


@pytest.mark.parametrize("command", [["uvicorn", "app:app"], ["app"]])
def test_the_server_does_not_start_with_a_bad_setting(tmp_path, command):
    done = start(command, tmp_path, SILENCE_RMS="loud")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "Settings refused: SILENCE_RMS=loud: Input should be a valid number, unable to parse string as a number"
    ]
    assert "Traceback" not in done.stdout


def test_the_readme_has_the_current_table():
    readme = (ROOT / "README.md").read_text("utf-8")
    assert with_table(readme) == readme


def test_lists_are_written_with_commas(monkeypatch):
    monkeypatch.setenv("ALLOWED_ORIGINS", "https://example.org, http://localhost:3000,")
    monkeypatch.setenv("TRUSTED_PROXIES", "10.0.0.0/8,::1")
    settings = load()
    assert settings.allowed_origins == ("https://example.org", "http://localhost:3000")
    assert settings.trusted_proxies == ("10.0.0.0/8", "::1")


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("ALLOWED_ORIGINS", "https://example.org/page", "expected an origin"),
        ("ALLOWED_ORIGINS", "*", "expected an origin"),
        ("TRUSTED_PROXIES", "proxy.example.org", "does not appear to be an IPv4 or IPv6 network"),
        # Paces at which nothing could ever be sent:
        ("MAX_MESSAGES_PER_SECOND", "0.04", "should be 0 or at least 0.05"),
        ("MAX_AUDIO_RATE", "0.01", "should be 0 or at least 0.05"),
        ("MAX_BYTES_PER_SECOND", "52428", "should be 0 or at least 52429, a 20th of MAX_MESSAGE_BYTES"),
    ],
)
def test_a_value_that_will_not_do_is_refused_in_words(monkeypatch, name, value, problem):
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match=f"{name}=.*{problem}"):
        load()


def test_a_refused_token_is_not_shown(monkeypatch):
    monkeypatch.setenv("API_TOKEN", "too short")
    with pytest.raises(SystemExit, match=r"API_TOKEN=\*+: .*at least 16") as stop:
        load()
    assert "too short" not in str(stop.value)
    monkeypatch.setenv("API_TOKEN", "long enough to be safe")
    assert "long enough" not in repr(load())
