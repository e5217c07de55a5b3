"""How an answer is reached: one paper a file; the file's name is the strategy's name in recipes."""
