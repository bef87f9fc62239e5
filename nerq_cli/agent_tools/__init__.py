"""Tools that coding agents call over the Model Context Protocol, on stdin and stdout: they read, and change nothing."""
