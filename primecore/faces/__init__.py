"""The faces that are servers: what HTTP and MCP share lies here, each has a folder of its own; none knows another."""
