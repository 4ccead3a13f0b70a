"""Pages that ship with the package: every file of primecore/faces/web/, under its own name; index.html is /.

Knows no route but these. Replacing the pages is putting other files there.
"""

from __future__ import annotations

import mimetypes
from importlib.resources import files

from primecore.faces.http.wire import Reply, text_reply

POLICY = (
    b"content-security-policy",
    b"default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; "
    b"base-uri 'none'; form-action 'none'",
)
SOURCES = (".py", ".pyc")


def pages() -> dict[str, Reply]:
    """Answers by path."""
    found = {}
    for file in files("primecore.faces").joinpath("web").iterdir():
        if file.is_file() and not file.name.endswith(SOURCES):
            kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
            if kind.startswith("text/") or kind.endswith(("javascript", "json")):
                kind += "; charset=utf-8"
            path = "/" if file.name == "index.html" else f"/{file.name}"
            found[path] = text_reply(file.read_bytes(), kind.encode(), policy=POLICY)
    return found
