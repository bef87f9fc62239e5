"""Edits of dependency files: new version requirements in place, with every other byte kept."""
