"""Servers that speak OpenAI's language: hosted ones, vLLM's and whatever else answers the same requests."""
