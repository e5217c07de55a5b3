"""What a person sees: a run as it happens, a batch's progress, and the table at the end."""
