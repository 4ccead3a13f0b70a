"""HTTP: the table of operations as routes. Knows the service and what all faces share, not MCP."""
