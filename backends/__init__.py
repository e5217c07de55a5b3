"""Where text comes from: engines behind one contract, and `Model`, the one metered call."""
