"""The in-process engine: decoders on this machine's CPU or GPU, many callers in one batch."""
