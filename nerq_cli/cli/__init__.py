"""Options in, exit status out. One module per command; whatever they need is imported when they run."""
