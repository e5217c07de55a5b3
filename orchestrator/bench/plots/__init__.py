"""Pictures of a bench, as PNG and SVG; readable without colour."""

from .pictures import draw

__all__ = ["draw"]
