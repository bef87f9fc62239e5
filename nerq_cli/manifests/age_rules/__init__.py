"""Readers of minimum ages of releases in the settings of package managers and update bots."""
