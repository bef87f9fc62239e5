"""TOML, JSON, YAML, XML and text with positions."""
