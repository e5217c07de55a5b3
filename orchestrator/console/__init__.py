"""What a person sees: a run as it happens, a batch's progress, and the table at the end."""

from .console import Console
from .summary import summary

__all__ = ["Console", "summary"]
