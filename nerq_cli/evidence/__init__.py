"""Collect what the sources return about packages, and merge it into one record."""
