"""Vulnerability records: OSV, EPSS, KEV and the local database."""
