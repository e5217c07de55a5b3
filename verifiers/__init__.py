"""How good a step or an answer is."""
