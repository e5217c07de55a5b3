"""Where problems come from: one generator or loader a file."""
