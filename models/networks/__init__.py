"""Network definitions (PyTorch): needed to train and to export, never to serve with the default engine."""
