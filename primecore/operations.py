"""What Prime can be asked, in one table; the map from error codes to exit codes and HTTP statuses comes with it.

Every face reads its names, summaries and request fields here, so they cannot drift apart. Knows words only.
"""

from __future__ import annotations

from primecore.outcomes import (
    ERRORS,
    EXIT_BAD_DATA,
    EXIT_BROKEN_PIPE,
    EXIT_BUG,
    EXIT_FINE,
    EXIT_INTERRUPTED,
    EXIT_IO,
    EXIT_NO,
    EXIT_NOT_FOUND,
    EXIT_UNAVAILABLE,
    EXIT_USAGE,
    Outcome,
    outcome,
)  # fmt: skip
from primecore.requests import RECALL, Field, Operation

__all__ = [
    "ERRORS",
    "EXIT_BAD_DATA",
    "EXIT_BROKEN_PIPE",
    "EXIT_BUG",
    "EXIT_FINE",
    "EXIT_INTERRUPTED",
    "EXIT_IO",
    "EXIT_NO",
    "EXIT_NOT_FOUND",
    "EXIT_UNAVAILABLE",
    "EXIT_USAGE",
    "OPERATIONS",
    "Field",
    "Operation",
    "Outcome",
    "outcome",
]  # fmt: skip

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
    Operation(
        "remember",
        "Take in a fact: text, vector and links in one step, once",
        (
            Field("text", "string", "the fact, in words", required=True),
            Field("type", "string", "the type of its node", default="memory"),
            Field("id", "string", "what stands behind type in its id, else made of its words"),
            _PROPERTIES,
            Field("domain", "string", "the domain of its node"),
            Field("labels", "strings", "the labels of its node"),
            Field("vector", "array", "its vector, else the store's embedder makes one"),
            Field("links", "array", "edges to add: a relation and a node's id each"),
            Field("conversation", "string", "the conversation it comes from"),
            Field("near", "number", "cosine from which it is compared with a known fact, or linked", default=0.95),
            Field("force", "boolean", "take it in though it was rejected, or is like another", default=False),
            *_ENVELOPE[1:],
        ),
        True,
    ),
    Operation(
        "reject",
        "Delete a fact and keep it from coming back",
        (_NODE_ID, Field("reason", "string", "why, for its history"), _ENVELOPE[1], _ENVELOPE[-1]),
        True,
    ),
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
        "recall",
        "Find what is known about a question, from words, vectors and edges",
        (
            Field("query", "string", "the question"),
            Field("vector", "array", "its vector, else the store's embedder makes one"),
            Field("k", "integer", "at most this many", default=10),
            *RECALL,
        ),
        False,
    ),
    Operation(
        "context",
        "Pack what is known about a question into a prompt",
        (
            Field("query", "string", "the question", required=True),
            Field("max_tokens", "integer", "at most this many tokens", default=1000),
            *RECALL,
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
