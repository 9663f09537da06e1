"""What the server knows of one viewer, and decides about them: pure, without socket, clock or model."""
