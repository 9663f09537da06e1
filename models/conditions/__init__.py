"""What microphones, rooms, cameras and light do to what a model gets: for evaluation, never for training."""
