"""The science: labels, features, networks, data sets, training, metrics, inference. Knows nothing of the web."""
