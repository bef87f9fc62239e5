"""Source repositories: GitHub, Scorecard, and the link from package to repository."""
