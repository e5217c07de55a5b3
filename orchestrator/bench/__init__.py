"""What each strategy buys: recipes over the same problems with the same seeds, resumable, in figures and plots."""
