"""From the viewers' questions to the models' answers: one thread for each model, one call for many viewers."""
