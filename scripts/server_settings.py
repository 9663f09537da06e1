"""`--set NAME=VALUE` of the commands that start a server of their own."""

import argparse

from app.settings import Settings


def add_set(parser: argparse.ArgumentParser) -> None:
    """Add `--set`, which may come again; it gives texts of which `settings_of` makes an environment."""
    parser.add_argument(
        "--set", type=_setting, action="append", default=[], metavar="NAME=VALUE", help="a setting of the server"
    )


def settings_of(pairs: list[str]) -> dict[str, str]:
    """Return the environment that some NAME=VALUE are."""
    return dict(pair.split("=", 1) for pair in pairs)


def _setting(text: str) -> str:
    name, equals, _ = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    if name.lower() not in Settings.model_fields:
        raise argparse.ArgumentTypeError(f"there is no setting {name}")
    return text
