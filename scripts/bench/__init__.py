"""The benchmark: how many viewers one machine holds, what a result costs, and what a textbook server does with it."""
