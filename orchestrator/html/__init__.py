"""A run as one page for a browser: tree, tables and plots in a single file that needs nothing else."""

from .page import page, write

__all__ = ["page", "write"]
