"""Popular packages, similar names and downloads."""
