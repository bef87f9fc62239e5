"""MCP servers in the configuration files of their clients, and agent skills. Nothing is started."""
