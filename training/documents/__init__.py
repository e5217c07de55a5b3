"""What the shipped models read while they learn: one kind of document a file."""
