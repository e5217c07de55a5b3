"""What the command line does: reads input, runs one question or a folder of them, lists and draws."""
