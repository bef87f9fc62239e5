"""Find and load the dependency files of a project."""
