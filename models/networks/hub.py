"""Published weights from huggingface.co, kept in that hub's own cache (`HF_HOME`)."""

import contextlib
from collections.abc import Iterator
from pathlib import Path


class PretrainedError(RuntimeError):
    """Published weights cannot be had: there are none, or their hub is out of reach."""


@contextlib.contextmanager
def named(repository: str) -> Iterator[None]:
    """Turn whatever the hub's client raises within into a `PretrainedError` that names the hub and says what to do."""
    try:
        yield
    except OSError as error:  # all of that client's errors are
        reason = str(error).partition("\n")[0]
        raise PretrainedError(
            f"the weights of huggingface.co/{repository} cannot be had ({reason}): "
            "build with pretrained=False to train from scratch"
        ) from error


def fetch(repository: str, filename: str = "model.safetensors") -> Path:
    """Return a file of a repository, from the cache where it is there. Tensors only: nothing in it is executed.

    Raises:
        PretrainedError: It is not in the cache and cannot be fetched.
    """
    with named(repository):
        from huggingface_hub import hf_hub_download

        return Path(hf_hub_download(repository, filename))
