"""Every figure of the model cards, from the weights and the data, through the code that serves viewers."""
