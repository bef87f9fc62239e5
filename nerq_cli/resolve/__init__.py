"""From declarations and lock files to one version per dependency."""
