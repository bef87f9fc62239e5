"""Match advisories with versions."""
