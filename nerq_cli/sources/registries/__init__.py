"""PyPI and npm registries."""
