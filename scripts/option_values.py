"""What command lines take as values of their options: each reads one, or refuses it in a line."""

import argparse
import json
import math
from pathlib import Path
from typing import Any


def option(text: str) -> tuple[str, Any]:
    """Read NAME=VALUE; the value is JSON, or else plain text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def label_list(text: str) -> tuple[str, ...]:
    """Read labels with commas between them; whether there are such labels is for `check_labels`."""
    return tuple(label.strip() for label in text.split(","))


def whole_number(text: str) -> int:
    """Read a number of things of which there must be one.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    if not (text.isdecimal() and text.isascii() and len(text) < 10 and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def file_name(text: str) -> str:
    """Read what a file is to be called; raises `argparse.ArgumentTypeError` where it would lie in another folder."""
    if not text or Path(text).name != text:
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a file; the folder is for --weights")
    return text


def any_number(text: str) -> int:
    """Read a number of things of which there may be none; raises `argparse.ArgumentTypeError` for another."""
    return 0 if text == "0" else whole_number(text)


def rate(text: str) -> float:
    """Read a learning rate, or another number from 0 on; raises `ValueError` for what is none."""
    value = float(text)
    if not 0 <= value < math.inf:
        raise ValueError(text)
    return value


def share(text: str) -> float:
    """Read a part of a whole; raises `ValueError` for what is none."""
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError(text)
    return value


def device(text: str) -> str:
    """Read where to train, and see that it is there.

    Raises:
        argparse.ArgumentTypeError: It is not.
    """
    import torch  # which takes seconds, and most values do without

    if text != "auto":
        try:
            torch.empty(1, device=text).add_(1)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            reason = next(iter(str(error).splitlines()), "")
            raise argparse.ArgumentTypeError(f"{text!r} cannot be used: {reason}") from error
    return text
