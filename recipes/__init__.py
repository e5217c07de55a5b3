"""Recipes that headgate ships, one YAML a file."""
