"""Read dependency files."""
