"""Who writes the next piece of a reasoning trace."""
