"""What a run may spend and what it has spent: tokens, tool calls, dollars and time in one ledger."""
