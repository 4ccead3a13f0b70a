"""What errors become outside Python: the only map from error codes to exit codes and HTTP statuses."""

from __future__ import annotations

from typing import NamedTuple


class Outcome(NamedTuple):
    """What an error code becomes outside Python, and what a person can do about it."""

    exit_code: int
    http_status: int
    meaning: str


EXIT_FINE = 0
EXIT_NO = 1
EXIT_USAGE = 2
EXIT_BAD_DATA = 65
EXIT_NOT_FOUND = 66
EXIT_UNAVAILABLE = 69
EXIT_BUG = 70
EXIT_IO = 74
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141

ERRORS: dict[str, Outcome] = {
    "prime_error": Outcome(EXIT_BUG, 500, "Something in Prime went wrong that has no code of its own."),
    "internal_error": Outcome(EXIT_BUG, 500, "A bug in Prime. Run again with `--debug` and report what it prints."),
    "misuse": Outcome(EXIT_USAGE, 400, "The request makes no sense as it stands."),
    "usage": Outcome(EXIT_USAGE, 400, "A command was called the wrong way; its `--help` shows the right one."),
    "invalid_argument": Outcome(EXIT_USAGE, 400, "An argument is wrong; the message names it and what was expected."),
    "invalid_event": Outcome(
        EXIT_BAD_DATA, 422, "An event breaks a rule of the format; field, line and column say where."
    ),
    "limit_exceeded": Outcome(EXIT_BAD_DATA, 413, "A stated limit would be passed; the message names it."),
    "data_error": Outcome(EXIT_BAD_DATA, 409, "The data in the store does not allow this."),
    "version_conflict": Outcome(EXIT_BAD_DATA, 409, "Someone else wrote first. Read the entity again and retry."),
    "idempotency_conflict": Outcome(EXIT_BAD_DATA, 409, "The `event_id` belongs to another event. Use one of its own."),
    "corrupt_log": Outcome(EXIT_BAD_DATA, 500, "Bytes on disk are not what was written; path and offset say where."),
    "node_not_found": Outcome(EXIT_NOT_FOUND, 404, "No live node has this id."),
    "edge_not_found": Outcome(EXIT_NOT_FOUND, 404, "No live edge has this id."),
    "vector_not_found": Outcome(EXIT_NOT_FOUND, 404, "The entity has no vector."),
    "model_mismatch": Outcome(
        EXIT_BAD_DATA, 409, "The vectors are of another model. Use that one, or `prime reembed` to make new ones."
    ),
    "reembed_unfinished": Outcome(
        EXIT_BAD_DATA, 409, "A change of model was broken off. `prime reembed` finishes it."
    ),
    "store_not_found": Outcome(EXIT_NOT_FOUND, 404, "There is no store at this path. `prime ingest FILE` makes one."),
    "file_not_found": Outcome(EXIT_NOT_FOUND, 404, "A file that was named does not exist."),
    "environment_failure": Outcome(EXIT_UNAVAILABLE, 503, "The world around the store failed."),
    "store_locked": Outcome(EXIT_UNAVAILABLE, 503, "Another process owns the store. Reading it works all the same."),
    "store_closed": Outcome(EXIT_UNAVAILABLE, 503, "The store was closed. Open it again."),
    "store_forked": Outcome(EXIT_UNAVAILABLE, 500, "A forked child used its parent's store. Open one in the child."),
    "store_poisoned": Outcome(EXIT_IO, 503, "A write or sync failed earlier. Reads go on; reopen the store to write."),
    "outcome_unknown": Outcome(
        EXIT_IO, 503, "A write failed or was not answered. Whether it is there is told by writing it again, same id."
    ),
    "unauthorized": Outcome(EXIT_UNAVAILABLE, 401, "A server wants an API key: `Authorization: Bearer KEY`."),
    "forbidden": Outcome(EXIT_UNAVAILABLE, 403, "This key may only read, or a page of another site asked."),
    "route_not_found": Outcome(EXIT_NOT_FOUND, 404, "A server has nothing at this path; `/openapi.json` lists all."),
    "method_not_allowed": Outcome(EXIT_USAGE, 405, "The path is right, the HTTP method is not."),
    "request_timeout": Outcome(EXIT_UNAVAILABLE, 408, "A client stopped sending in the middle of its request."),
    "unsupported_media_type": Outcome(EXIT_USAGE, 415, "A body in another format than the path takes."),
    "too_busy": Outcome(EXIT_UNAVAILABLE, 429, "A server has enough to do just now. Try again in a second."),
    "timed_out": Outcome(EXIT_UNAVAILABLE, 503, "No answer in the time there is. Ask for less."),
    "disk_full": Outcome(EXIT_IO, 507, "No room for the next event. Nothing was written; it heals when space returns."),
    "storage_failure": Outcome(EXIT_IO, 500, "The operating system refused a read or write of the store."),
    "io_error": Outcome(EXIT_IO, 500, "The operating system refused a read or write of another file."),
}


def outcome(code: str) -> Outcome:
    """The outcome of an error code. A code nobody listed is a bug of ours, and treated as one."""
    return ERRORS.get(code, ERRORS["internal_error"])
