"""Readers of the files of Python packaging tools."""
