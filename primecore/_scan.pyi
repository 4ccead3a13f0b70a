from typing import Any

from typing_extensions import Buffer

from primecore._jsontree import canonical as canonical
from primecore._jsontree import check_json as check_json
from primecore._jsontree import equal as equal
from primecore._jsontree import merge_patch as merge_patch
from primecore._refusal import explain as explain
from primecore.errors import InvalidEvent

def parse_line(line: bytes, *, source: str = "", number: int = 0) -> dict[str, Any] | None: ...
def parse_event(
    event_type: str,
    entity_id: str,
    payload: bytes | None = None,
    metadata: bytes | None = None,
    *,
    trusted: bool = False,
) -> dict[str, Any]: ...
def scan_lines(text: Buffer, *, source: str = "") -> tuple[int, InvalidEvent | None]: ...
