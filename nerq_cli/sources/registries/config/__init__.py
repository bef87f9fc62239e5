"""Registry addresses and credentials from the configuration of pip, uv and npm."""
