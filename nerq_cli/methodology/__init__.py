"""Methodologies: one table of numbers per kind of target, handed to signals and scoring as a value."""
