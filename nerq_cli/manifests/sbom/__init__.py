"""Readers of SBOMs."""
