"""The science: labels, features, networks, data sets, training, metrics, inference. Knows nothing of the web."""


def list_models(kind: str | None = None, pattern: str = "*") -> list[str]:
    """Return the names of the networks that can be trained here; see `models.registry.list_models`."""
    # Serving imports this package, and never torch.
    from models.registry import list_models as listed

    return listed(kind, pattern)
