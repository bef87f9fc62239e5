"""The services and registries that are asked, one module each."""
