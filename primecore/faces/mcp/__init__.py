"""MCP: the table of operations as tools. Knows the service and what all faces share, not HTTP."""
