"""Who may come in, how much they may send and how long they may stay."""
