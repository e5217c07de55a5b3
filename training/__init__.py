"""How the shipped draft and target are made: generated documents, a small training loop, the figures on their card."""
