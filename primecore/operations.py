"""What Prime can be asked, in one table, and the one map from error codes to exit codes and HTTP statuses.

Every face reads its names, summaries and request fields here, so they cannot drift apart. Knows words only.
"""

from __future__ import annotations

from typing import NamedTuple


class Field(NamedTuple):
    """One field of a request. `type` is a JSON type or one of: strings, time, position, point, path, events, entity_id.

    A point is a position or a time.
    """

    name: str
    type: str
    summary: str
    required: bool = False
    default: object = None
    choices: tuple[str, ...] = ()


class Operation(NamedTuple):
    """One use case: a method of `primecore.Prime` with this name, taking these fields as arguments.

    `on_path`: a function of the package instead, for files that are no open store; its fields hold every path it takes.
    """

    name: str
    summary: str
    fields: tuple[Field, ...]
    writes: bool
    on_path: bool = False

    def field(self, name: str) -> Field:
        """The field called `name`. Raises `KeyError`."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(f"operation {self.name} has no field {name}")


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


_ENVELOPE = (
    Field("expected_version", "integer", "the version the entity must be at; 0: no event yet"),
    Field("event_id", "string", "UUID that makes a repeated write a no-op"),
    Field("timestamp", "time", "when it happened (RFC 3339 with offset), else now"),
    Field("metadata", "object", "correlation_id, causation_id, agent_id, source, ..."),
    Field("durable", "boolean", "wait for stable storage", default=False),
)
_RELATION = Field("relation", "string", "only edges of this relation")
_DIRECTION = Field("direction", "string", "which way edges may lead", default="both", choices=("out", "in", "both"))
_LIMIT = Field("limit", "integer", "at most this many")
_NODE_ID = Field("id", "entity_id", "the node, as in node:person:alice", required=True)
_EDGE_ID = Field("id", "entity_id", "the edge, as in edge:1", required=True)
_PROPERTIES = Field("properties", "object", "any JSON object")
_DOMAIN = Field("domain", "string", "the domain it belongs to")
_LABELS = Field("labels", "strings", "labels, replaced whole")
_WEIGHT = Field("weight", "number", "a finite number (1.0 where none is given)")
_VALID = (Field("valid_from", "time", "when it begins to hold"), Field("valid_to", "time", "when it ceases to hold"))

_WRITES = (
    Operation(
        "ingest",
        "Append events from JSONL files; what is there already is skipped",
        (
            Field("source", "path", "JSONL file (.gz and .zst too), - for stdin", required=True),
            Field("name", "string", "name of the source, from which lines without event_id get theirs"),
            Field(
                "on_error", "string", "what a broken line does", default="stop", choices=("stop", "skip", "quarantine")
            ),
            Field("quarantine", "path", "file that takes the broken lines"),
        ),
        True,
    ),
    Operation(
        "append",
        "Append one event",
        (
            Field("event_type", "string", "dotted lower-case words", required=True),
            Field("entity_id", "entity_id", "what it is about", required=True),
            Field("payload", "object", "the fact itself"),
            *_ENVELOPE,
        ),
        True,
    ),
    Operation(
        "append_many",
        "Append a batch of events: all of them or none",
        (
            Field("events", "events", "envelopes, 32 MiB in all at most", required=True),
            Field("durable", "boolean", "wait for stable storage", default=False),
        ),
        True,
    ),
    Operation(
        "add_node",
        "Create a node",
        (
            Field("type", "string", "type of the node, without colons", required=True),
            _PROPERTIES,
            Field("id", "string", "last part of its id, else a new UUID"),
            _DOMAIN,
            _LABELS,
            *_ENVELOPE,
        ),
        True,
    ),
    Operation(
        "update_node",
        "Merge properties into a node (JSON merge patch: null removes)",
        (_NODE_ID, _PROPERTIES, _DOMAIN, _LABELS, *_ENVELOPE),
        True,
    ),
    Operation("delete_node", "Delete a node with its edges", (_NODE_ID, *_ENVELOPE), True),
    Operation(
        "add_edge",
        "Create an edge between two nodes",
        (
            Field("source", "entity_id", "node it leaves", required=True),
            Field("target", "entity_id", "node it reaches", required=True),
            Field("relation", "string", "what it says", required=True),
            _WEIGHT,
            _PROPERTIES,
            Field("id", "string", "last part of its id, else a new UUID"),
            *_VALID,
            *_ENVELOPE,
        ),
        True,
    ),
    Operation(
        "update_edge",
        "Change weight, properties or validity of an edge",
        (_EDGE_ID, _WEIGHT, _PROPERTIES, *_VALID, *_ENVELOPE),
        True,
    ),
    Operation("delete_edge", "Delete an edge", (_EDGE_ID, *_ENVELOPE), True),
    Operation(
        "import_from",
        "Take in an export, or what another memory wrote",
        (
            Field("source", "path", "file to take in (.gz and .zst too), - for stdin", required=True),
            Field(
                "format",
                "string",
                "what the file holds, else its first line tells",
                choices=("prime", "mcp-memory", "allsource"),
            ),
            Field("name", "string", "name of the source, from which lines without event_id get theirs"),
            Field("on_error", "string", "what a broken line does", default="stop", choices=("stop", "skip")),
        ),
        True,
    ),
    Operation(
        "embed",
        "Store the vector of an entity, given or made of a text",
        (
            Field("id", "entity_id", "whose vector it is", required=True),
            Field("vector", "array", "the numbers, else the text is embedded"),
            Field("text", "string", "the text it stands for, else what the node says of itself"),
            Field("metadata", "object", "kept with the vector, to filter by"),
            *(field for field in _ENVELOPE if field.name != "metadata"),
        ),
        True,
    ),
    Operation(
        "delete_vector",
        "Delete the vector and the text of an entity",
        (Field("id", "entity_id", "whose vector it is", required=True), *_ENVELOPE),
        True,
    ),
    Operation(
        "reembed",
        "Give every stored text a vector of another model",
        (
            Field("model", "string", "hashing, wordllama or package.module:name, else the store's embedder"),
            Field("drop", "boolean", "lose vectors that have no text, instead of refusing", default=False),
        ),
        True,
    ),
    Operation("checkpoint", "Write the tables out, so that the next opening need not replay the log", (), True),
    Operation(
        "compact",
        "Turn closed segments of the log into Parquet files",
        (
            Field("codec", "string", "how the files are compressed", default="zstd", choices=("zstd", "snappy")),
            Field("gently", "boolean", "rest for as long as it works", default=False),
        ),
        True,
    ),
    Operation("flush", "Wait until all events are on stable storage", (Field("timeout", "number", "seconds"),), True),
)

_READS = (
    Operation("node", "Show one node", (_NODE_ID,), False),
    Operation(
        "nodes",
        "List nodes, oldest first",
        (
            Field("type", "string", "only nodes of this type"),
            Field("domain", "string", "only nodes of this domain"),
            Field("label", "string", "only nodes with this label"),
            _LIMIT,
            Field("after", "entity_id", "go on behind this node"),
        ),
        False,
    ),
    Operation("edge", "Show one edge", (_EDGE_ID,), False),
    Operation(
        "edges",
        "List edges, oldest first",
        (
            _RELATION,
            Field("source", "entity_id", "only edges that leave this node"),
            Field("target", "entity_id", "only edges that reach this node"),
            _LIMIT,
            Field("after", "entity_id", "go on behind this edge"),
        ),
        False,
    ),
    Operation(
        "neighbors",
        "Show what an entity is connected to",
        (
            Field("id", "entity_id", "the entity, as in node:person:alice", required=True),
            _RELATION,
            _DIRECTION,
            Field("depth", "integer", "how many edges away", default=1),
            _LIMIT,
        ),
        False,
    ),
    Operation(
        "neighbors_many",
        "Show what many entities are connected to, in one call",
        (Field("ids", "strings", "the entities", required=True), _RELATION, _DIRECTION),
        False,
    ),
    Operation(
        "subgraph",
        "Show the nodes around some nodes, and the edges among them",
        (
            Field("ids", "strings", "where to start", required=True),
            Field("depth", "integer", "how many edges away", default=1),
            Field("limit", "integer", "at most this many nodes", default=1000),
        ),
        False,
    ),
    Operation(
        "shortest_path",
        "Find the shortest path between two nodes",
        (
            Field("source", "entity_id", "where it begins", required=True),
            Field("target", "entity_id", "where it ends", required=True),
            Field("weighted", "boolean", "shortest by sum of weights, not by number of edges", default=False),
            _DIRECTION,
            _RELATION,
            Field("max_depth", "integer", "at most this many edges"),
        ),
        False,
    ),
    Operation(
        "search",
        "Find nodes and texts by their words, the best first",
        (
            Field("query", "string", 'words; "side by side" in quotes, word* for what begins so', required=True),
            Field("k", "integer", "at most this many", default=10),
            Field("type", "string", "only nodes of this type"),
            Field("domain", "string", "only nodes of this domain"),
            Field("label", "string", "only nodes with this label"),
            Field("since", "time", "only what last changed then or later"),
            Field("until", "time", "only what last changed before"),
            Field("created_since", "time", "only what was created then or later"),
            Field("created_until", "time", "only what was created before"),
            Field("stem", "boolean", "take English plurals for their singulars", default=False),
            Field("explain", "boolean", "cut a snippet from where the words stand", default=False),
        ),
        False,
    ),
    Operation(
        "history",
        "Show the events of one entity, oldest first",
        (
            Field("id", "entity_id", "the entity, live or not", required=True),
            _LIMIT,
            Field("after", "position", "only events after this position"),
        ),
        False,
    ),
    Operation(
        "events",
        "Show the log, oldest first",
        (
            Field("after", "position", "only events after this position", default=0),
            Field("until", "position", "only events up to this position"),
            Field("event_type", "string", "only events of this type"),
            Field("entity_id", "entity_id", "only events of this entity"),
            _LIMIT,
        ),
        False,
    ),
    Operation(
        "at",
        "Look at the store as it was",
        (
            Field("when", "point", "as it was at this position or time (RFC 3339 with offset)"),
            Field("valid_at", "time", "only edges that hold at this time (RFC 3339 with offset)"),
        ),
        False,
    ),
    Operation(
        "diff",
        "Show what changed between two points, net",
        (
            Field("first", "point", "a position or a time", required=True),
            Field("second", "point", "a position or a time, else now"),
        ),
        False,
    ),
    Operation(
        "timeline",
        "Show what happened, event by event, and what each changed",
        (
            Field("entity", "entity_id", "only this entity"),
            Field("since", "point", "only what came after this position or time"),
            Field("until", "point", "only what came up to this position or time"),
            _LIMIT,
        ),
        False,
    ),
    Operation(
        "why",
        "Show which events set the fields of a node or an edge",
        (
            Field("entity", "entity_id", "the node or the edge", required=True),
            Field("field", "string", "only this field, as in weight, properties.name or /properties/name"),
        ),
        False,
    ),
    Operation(
        "subscribe",
        "Follow the log: events as they come",
        (
            Field("after", "position", "begin behind this position, else with what comes next"),
            Field("event_type", "string", "only events of this type"),
            Field("type_prefix", "string", "only events whose type begins so"),
            Field("entity_id", "entity_id", "only events of this entity"),
            Field("entity_prefix", "string", "only events whose entity begins so"),
            Field("durable", "boolean", "only events on stable storage", default=True),
        ),
        False,
    ),
    Operation(
        "export",
        "Write the whole log as JSON lines that import takes back",
        (Field("target", "path", "file to write (.gz too), else stdout", required=True),),
        False,
    ),
    Operation(
        "similar",
        "Find what is most alike in meaning",
        (
            Field("query", "string", "a text, or the id of an entity with a vector"),
            Field("k", "integer", "at most this many", default=10),
            Field("id", "entity_id", "the query, where it is an id"),
            Field("text", "string", "the query, where it is a text"),
            Field("vector", "array", "the query, where it is a vector"),
            Field("type", "string", "only nodes of this type"),
            Field("domain", "string", "only nodes of this domain"),
            Field("label", "string", "only nodes with this label"),
            Field("prefix", "string", "only ids that begin like this"),
            Field("properties", "object", "only nodes that have these properties"),
            Field("metadata", "object", "only vectors that have these members in their metadata"),
            Field("min_score", "number", "only scores from this on, -1 to 1"),
        ),
        False,
    ),
    Operation("domains", "List domains and how many nodes each has", (), False),
    Operation(
        "cross_domain",
        "Count the edges that lead from one domain into another",
        (
            Field("source", "string", "only edges that leave this domain"),
            Field("target", "string", "only edges that reach this domain"),
        ),
        False,
    ),
    Operation("stats", "Show what the store holds and how it fares", (), False),
    Operation("digest", "Hash the logical content of the store", (), False),
    Operation(
        "replay",
        "Rebuild all views from the log and say how fast that was",
        (
            Field("verify", "boolean", "compare with the live state; exit 1 if they differ", default=False),
            Field("into", "path", "write the rebuilt store to this directory"),
            Field("to", "position", "stop at this position"),
        ),
        False,
    ),
)

_CARE = (
    Operation(
        "verify",
        "Check every byte of the store's files, and the views against the log",
        (Field("log_only", "boolean", "check the files, and fold nothing", default=False),),
        False,
    ),
    Operation("doctor", "Say what is wrong with the store or around it, and what to do", (), False),
    Operation(
        "backup",
        "Copy what is new to a backup, also while another process writes",
        (Field("target", "path", "directory of the backup", required=True),),
        False,
    ),
    Operation(
        "restore",
        "Make a new store out of a backup",
        (
            Field("path", "path", "directory of the backup", required=True),
            Field("into", "path", "directory of the new store"),
        ),
        True,
        on_path=True,
    ),
    Operation(
        "salvage",
        "Copy what holds of a damaged store into a new one",
        (
            Field("path", "path", "directory of the damaged store", required=True),
            Field("newdir", "path", "directory of the new store, which does not exist yet", required=True),
        ),
        True,
        on_path=True,
    ),
)

OPERATIONS: dict[str, Operation] = {operation.name: operation for operation in (*_WRITES, *_READS, *_CARE)}
