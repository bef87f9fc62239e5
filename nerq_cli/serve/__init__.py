"""``nerq serve``: an HTTP service on the library, beside the command line."""
