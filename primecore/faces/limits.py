"""Limits of the server faces, in one place. Knows nothing else."""

from __future__ import annotations

MAX_PAGE = 10_000  # items a page may hold
MAX_PATH_IDS = 1_000  # ids one question may start from
MAX_DEPTH = 16  # edges a walk may be asked to go
MAX_INTEGER = 2**53 - 1  # what every JSON reader holds exactly

HTTP_PAGE = 1_000
MCP_PAGE = 50
MCP_TOKENS = 10_000  # what one answer may take of a model's window, unless it asks for more
MAX_TOKENS = 100_000
BYTES_PER_TOKEN = 4  # a rule of thumb for English and JSON
