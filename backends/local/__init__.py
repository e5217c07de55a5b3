"""The in-process engine: Qwen3 checkpoints on this machine's CPU or GPU, many callers in one batch."""
