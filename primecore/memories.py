"""The service's memory of facts: takes a text in, once; turns one away for good; packs what is known into a prompt."""

from __future__ import annotations

import hashlib
import threading
import unicodedata
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from primecore import _batch, codec
from primecore._facts import event_id_text
from primecore.briefing import brief
from primecore.embeds import FOLLOWS, own_text, vector_payload
from primecore.engine import Engine
from primecore.errors import InvalidArgument, NodeNotFound, VersionConflict
from primecore.model import Context, Event, Hit, Receipt, Remembered
from primecore.projections.vectors import Filters, float32
from primecore.recalls import Recalls, checked_number
from primecore.searches import checked_name
from primecore.writes import EventId, Json, Time, checked_labels

NEAR = 0.95  # cosine from which a fact is told beside one that is known
NEAR_LOOK = 4  # so many of the nearest may be the same fact in other punctuation
RESEMBLES = "resembles"
# What says nothing before and behind a word. `.5`, `-5`, `50%`, `5'`, `C++` and `?` do say something.
OPENING_MARKS = "\"'“‘«(["
CLOSING_MARKS = ".,;:!…\"'”’»)]"
CLOSING_NUMBERS = ".,;:…)]"
WRITTEN = ("prime.node.created", "prime.node.updated")


class Memories(Recalls):
    """What an agent says of facts, in its own words."""

    _remembering: threading.Lock

    def _use(self, engine: Engine) -> None:
        super()._use(engine)
        self.__dict__.setdefault("_remembering", threading.Lock())  # between a look for the same fact and its append

    def remember(
        self,
        text: str,
        *,
        type: str = "memory",
        id: str | None = None,
        properties: Json | None = None,
        domain: str | None = None,
        labels: Sequence[str] | None = None,
        vector: Any = None,
        links: Iterable[tuple[str, str]] = (),
        conversation: str | None = None,
        near: float | None = NEAR,
        force: bool = False,
        event_id: EventId | None = None,
        timestamp: Time | None = None,
        metadata: Json | None = None,
        durable: bool = False,
    ) -> Remembered:
        """Takes in a fact, in one atomic batch: a node with `text`, its vector, a link to each (relation, target).

        Its id is made of its words, so the same fact (case, white space and Unicode form, NFC, apart) is kept once.
        Where its vector is `near` (a cosine; None: do not ask) those of others of its `type`, one that differs in
        punctuation alone is the same fact, too; then only links that are missing are added, and `created` is false. One
        that says something else, be it by a "not" or a digit, is a fact of its own: it is linked to the nearest by an
        edge `resembles`, and `similarity` says how alike they are. What reject() turned away stays away: `rejected` is
        true, nothing is appended; `force` takes it in. The vector is `vector`, else the embedder's, if the store was
        opened with one or holds vectors of one; else the fact is found by its words. With an `id` of your own a live
        node of that id is replaced, as add_node() does. The same `event_id` again is the same call. Raises NodeNotFound
        for a target that is not live, ModelMismatch, InvalidArgument, InvalidEvent.

        >>> first = prime.remember("Alice leads the login project", links=[("about", "node:person:alice")])
        >>> prime.remember("alice leads  the login project").id == first.id
        True
        """
        self._engine.check()
        if not isinstance(text, str) or not text.strip():
            raise InvalidArgument(f"text: expected something to remember, found {text!r}")
        if not isinstance(type, str) or not type or ":" in type:
            raise InvalidArgument(f"type: expected a word without colons, found {type!r}")
        if id is not None and (not isinstance(id, str) or not id):
            raise InvalidArgument(f"id: expected text, found {id!r}")
        for name, given in (("properties", properties), ("metadata", metadata)):
            if given is not None and not isinstance(given, Mapping):
                raise InvalidArgument(f"{name}: expected a dict, found {given!r}")
        payload: dict[str, Any] = {"node_type": type, "properties": {**(properties or {}), "text": text}}
        if checked_name(conversation, "conversation") is not None:
            payload["properties"]["conversation_id"] = conversation
            metadata = {**(metadata or {}), "conversation_id": conversation}
        if domain is not None:
            payload["domain"] = domain
        if labels is not None:
            payload["labels"] = checked_labels(labels)
        if not isinstance(links, Iterable) or isinstance(links, (str, bytes, Mapping)):
            raise InvalidArgument(f"links: expected pairs of a relation and a node's id, found {links!r}")
        if near is not None:
            checked_number(near, "near", -1.0, 1.0)
        wanted = list(dict.fromkeys(map(_link, links)))
        said = _Said(None if event_id is None else codec.encode_event_id(event_id), timestamp, metadata)
        self._write_path()
        with self._remembering:
            while True:
                try:
                    found = self._remember(text, type, id, payload, vector, wanted, near, force, said)
                except VersionConflict:
                    continue  # somebody wrote this node meanwhile: look again
                break
        if durable or self._always:
            self._engine.wait_durable(found.position)
        return found

    def _remember(
        self,
        text: str,
        type: str,
        id: str | None,
        payload: dict[str, Any],
        vector: Any,
        links: list[tuple[str, str]],
        near: float | None,
        force: bool,
        said: _Said,
    ) -> Remembered:
        own, former = fact_id(type, text), former_fact_id(type, text)
        node_id = own if id is None else f"node:{type}:{id}"
        beside = f"node:{type}:{said.id('node')}"  # where what had these words says something else by now
        for candidate in (node_id, former, beside):
            if self._took_in(candidate, said):
                return self._as_taken_in(candidate, len(links), said)
        there = [it for it in (own, former) if self._says(it, own)]
        if not there and not force and any(self._is_rejected(type, words) for words in {text, bare(text)}):
            return Remembered(node_id, False, None, True, (), self._engine.position)
        if there and id is None:
            return self._linked(there[0], 1.0, links, said)
        if id is None and self._engine.views.nodes.node(own) is not None:
            node_id = beside
        definition = self._vectors.definitions
        numbers = self._vector_of(own_text(payload["properties"]), vector)
        resembled: Hit | None = None
        if numbers is not None and near is not None and id is None and not force and self._vectors.dimensions:
            filters = Filters(type=type)
            try:
                hits = self._engine.one_look(lambda: self._vectors.nearest(numbers, NEAR_LOOK, near, filters))
            except InvalidArgument:
                self._check_space(definition)
                raise
            self._check_space(definition)
            for hit in hits:
                known = self._engine.views.nodes.node(hit.id)
                if known is not None and is_same_fact(text, known.properties.get("text")):
                    return self._linked(hit.id, hit.score, links, said)
            resembled = hits[0] if hits else None
        batch = [codec.prepare("prime.node.created", node_id, payload, *said.envelope(""))]
        versions: list[int | None] = [self._engine.views.reader.latest(node_id)[0]]
        if numbers is not None:
            head = codec.prepare("prime.vector.stored", f"vec:{node_id}", None, *said.envelope("vector"))
            about = {FOLLOWS[0]: FOLLOWS[1]} if vector is None else None
            stored = vector_payload(numbers, own_text(payload["properties"]) if vector is None else text, about)
            batch.append((*head[:2], stored, *head[3:]))
        edges = _edges(batch, node_id, dict(enumerate(links)), said)
        live = [target.encode("utf-8", "replace") for _, target in links if target != node_id]
        if resembled is not None:
            edges += _edges(batch, node_id, {len(links): (RESEMBLES, resembled.id)}, said, resembled.score)
            live.append(resembled.id.encode())
        with self._made_for_space:
            if numbers is not None:
                self._check_space(definition)
            versions += [None] * (len(batch) - 1)
            try:
                answers = _batch.append_many(self._write_path(), batch, versions, None, live)
            except NodeNotFound:
                if resembled is not None and self._engine.views.nodes.node(resembled.id) is None:
                    raise VersionConflict(resembled.id, 1, 0) from None  # gone meanwhile: look again
                raise
        similarity = None if resembled is None else resembled.score
        return Remembered(node_id, True, similarity, False, edges, max(answer[0] for answer in answers))

    def _check_space(self, definition: int) -> None:
        # A vector that was made for a space that is gone says nothing of those in the one in force.
        if definition != self._vectors.definitions:
            raise VersionConflict("space:default", definition, self._vectors.definitions)

    def _as_taken_in(self, node_id: str, links: int, said: _Said) -> Remembered:
        # What an earlier try of the same call answered.
        edges = said.edges(links + 1)
        made = self._engine.views.history.positions(edges[-1])
        if not made:
            return Remembered(node_id, True, None, False, edges[:-1], self._engine.position)
        similarity = self._engine.events.read(made[0]).payload["weight"]
        return Remembered(node_id, True, similarity, False, edges, self._engine.position)

    def _linked(self, node_id: str, similarity: float, links: list[tuple[str, str]], said: _Said) -> Remembered:
        # The fact is known: what it is linked to may be new. What an earlier try of the same call added is no news.
        neighbors = self._engine.views.adjacency.neighbors(node_id, direction="out")
        there = {(it.relation, it.peer): it.edge_id for it in neighbors}
        batch: list[codec.Prepared] = []
        new = {at: link for at, link in enumerate(links) if link not in there}
        edges = _edges(batch, node_id, new, said)
        if said.event_id is not None:
            own = set(said.edges(len(links)))
            edges = (*(edge for edge in there.values() if edge in own), *edges)
        position = self._engine.position
        if batch:
            answers = _batch.append_many(self._write_path(), batch, [None] * len(batch), [True] * len(batch))
            position = max(answer[0] for answer in answers)
        return Remembered(node_id, False, similarity, False, edges, position)

    def _took_in(self, entity_id: str, said: _Said, event_type: str = "prime.node.created") -> Event | None:
        # The event by which an earlier try of the same call made this node, or deleted it.
        if said.event_id is None:
            return None
        name = event_id_text(said.event_id)
        for position in self._engine.views.history.positions(entity_id):
            event = self._engine.events.read(position)
            if event.event_id == name and event.event_type == event_type:
                return event
        return None

    def _vector_of(self, text: str, vector: Any) -> Any:
        if vector is not None:
            return float32(vector)
        if self._engine.settings.embedder is None and self._recorded() is None:
            return None
        return self._embedded([text])[0]

    def _says(self, node_id: str, own: str) -> bool:
        node = self._engine.views.nodes.node(node_id)
        return node is not None and fact_id(node.type, str(node.properties.get("text"))) == own

    def _is_rejected(self, type: str, words: str) -> bool:
        own, former = fact_id(type, words), former_fact_id(type, words)
        if self._engine.views.reader.latest(own)[1]:
            return self._is_grave(own)
        if not self._is_grave(former):
            return False
        # By the former rule other facts had this id, too: whose it was is told by what lived there last, if anything.
        for position in reversed(self._engine.views.history.positions(former)):
            event = self._engine.events.read(position)
            properties = (event.payload or {}).get("properties")
            if event.event_type in WRITTEN and isinstance(properties, dict) and "text" in properties:
                return fact_id(type, str(properties["text"])) == own
        return True

    def _is_grave(self, node_id: str) -> bool:
        position = self._engine.views.reader.latest(node_id)[1]
        if not position:
            return False
        last = self._engine.events.read(position)
        return last.event_type == "prime.node.deleted" and bool((last.metadata or {}).get("rejected"))

    def reject(
        self, id: str, *, reason: str | None = None, event_id: EventId | None = None, durable: bool = False
    ) -> Receipt:
        """Deletes a live fact for good: remember() will not take in its words again (of the same type) unless forced.

        delete_node() forgets a fact, too, but lets it come back. History keeps both. The same `event_id` again is a
        no-op. Raises NodeNotFound.

        >>> wrong = prime.remember("Alice has left")
        >>> prime.reject(wrong.id, reason="she has not").duplicate, prime.remember("Alice has left").rejected
        (False, True)
        """
        metadata: dict[str, Any] = {"rejected": True}
        if reason is not None:
            metadata["reason"] = checked_name(reason, "reason")
        said = _Said(None if event_id is None else codec.encode_event_id(event_id), None, metadata)
        batch = [codec.prepare("prime.node.deleted", id, {}, *said.envelope(""))]
        self._write_path()
        with self._remembering:
            node = self._engine.views.nodes.node(id)
            if node is None:
                done = self._took_in(id, said, "prime.node.deleted")
                if done is None:
                    raise NodeNotFound(f"there is no node {id}", hint="it may be gone already")
                receipt = Receipt(done.position, done.version, done.event_id, True)
            else:
                text = node.properties.get("text")
                told = dict.fromkeys((text, bare(text))) if isinstance(text, str) else {}
                for at, words in enumerate(told):
                    own = fact_id(node.type, words)
                    if own != id and self._engine.views.nodes.node(own) is None:
                        part = "words" if at == 0 else "bare words"
                        batch.append(codec.prepare("prime.node.deleted", own, {}, *said.envelope(part)))
                answers = _batch.append_many(
                    self._write_path(), batch, [None] * len(batch), [True] + [False] * (len(batch) - 1)
                )
                receipt = answers[0]
        if durable or self._always:
            self._engine.wait_durable(receipt.position + len(batch) - 1)
        return receipt

    def context(
        self,
        query: str,
        max_tokens: int = 1000,
        *,
        tokens: Callable[[str], int] | None = None,
        **how: Any,
    ) -> Context:
        """What is known about a question as a Markdown block for a prompt, of at most `max_tokens` tokens.

        First what there is to know (domains, sizes, names, what leads from one into another), then the best facts with
        their dates and relations, each with its id to cite. All of it stands in a fence that nothing in it can close,
        and is called data. `tokens` counts the tokens of a text; without it a token is taken for three bytes of UTF-8,
        which is more than most tokenizers make. What recall() takes may be given, too. `str()` of the answer is the
        block; it is empty where not even a line fits. Raises what recall() raises.

        >>> print(prime.context("who is alice?", 200))
        Recalled from memory as of position ...
        """
        return brief(self, self._engine.one_look, lambda: self._engine.position, query, max_tokens, tokens, how)


def fact_id(type: str, text: str) -> str:
    """The id of a fact: its type, and a hash of its words in NFC, in small letters and with single spaces.

    What only looks alike is not taken for the same: neither `2⁵` and `25`, as NFKC has it, nor `Maßen` and `Massen`, as
    case folding does.

    >>> fact_id("memory", "Tea  is hot") == fact_id("memory", "tea is HOT")
    True
    >>> fact_id("memory", "area 2⁵") == fact_id("memory", "area 25")
    False
    """
    plain = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())
    return _hashed(type, plain, b"NFC")  # set apart, so that no id of the former rule is an id of this one


def former_fact_id(type: str, text: str) -> str:
    """The id that a fact had when NFKC and case folding made it: stores may hold facts under it."""
    return _hashed(type, unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()), b"")


def _hashed(type: str, plain: str, rule: bytes) -> str:
    words = " ".join(plain.split()).encode("utf-8", "replace")
    return f"node:{type}:{hashlib.blake2b(words, digest_size=16, person=rule).hexdigest()}"


def bare(text: str) -> str:
    """A text without the marks of a sentence around its words.

    >>> bare('"Tea is hot," she said.')
    'Tea is hot she said'
    """
    return " ".join(map(_bare_word, text.split()))


def _bare_word(word: str) -> str:
    inner = word.lstrip(OPENING_MARKS)
    core = inner.rstrip(CLOSING_MARKS)
    if core and core[-1].isdigit():
        core = inner.rstrip(CLOSING_NUMBERS)
    return core or word  # marks alone are a word of their own, such as a face


def is_same_fact(text: str, known: Any) -> bool:
    """Whether two texts differ in case, white space and marks around words alone.

    Near vectors do not say so: a sentence and its contrary have them, too.

    >>> is_same_fact("Tea is hot!", "tea is hot"), is_same_fact("Tea is hot", "Tea is not hot")
    (True, False)
    """
    return isinstance(known, str) and fact_id("", bare(text)) == fact_id("", bare(known))


class _Said(NamedTuple):
    """What stands around the events of one call. With an id of the caller's, theirs and the edges' are made of it."""

    event_id: bytes | None
    timestamp: Time | None
    metadata: Json | None

    def id(self, part: str) -> uuid.UUID:
        """The id of a part: the same for the same call."""
        return uuid.uuid4() if self.event_id is None else uuid.uuid5(uuid.UUID(bytes=self.event_id), part)

    def envelope(self, part: str) -> tuple[uuid.UUID | None, Time | None, Json | None]:
        """As codec.prepare() takes it. The part without a name has the caller's own id."""
        if self.event_id is None:
            return None, self.timestamp, self.metadata
        return self.id(part) if part else uuid.UUID(bytes=self.event_id), self.timestamp, self.metadata

    def edges(self, count: int) -> tuple[str, ...]:
        """The ids of so many edges."""
        return tuple(f"edge:{self.id(f'edge {at}')}" for at in range(count))


def _edges(
    batch: list[codec.Prepared],
    node_id: str,
    links: Mapping[int, tuple[str, str]],
    said: _Said,
    weight: float | None = None,
) -> tuple[str, ...]:
    made = []
    for at, (relation, target) in links.items():
        made.append(f"edge:{said.id(f'edge {at}')}")
        payload: dict[str, Any] = {"source": node_id, "target": target, "relation": relation}
        if weight is not None:
            payload["weight"] = weight
        batch.append(codec.prepare("prime.edge.created", made[-1], payload, *said.envelope(f"link {at}")))
    return tuple(made)


def _link(given: Any) -> tuple[str, str]:
    if not isinstance(given, (tuple, list)) or len(given) != 2 or not all(isinstance(it, str) and it for it in given):
        raise InvalidArgument(f"links: expected pairs of a relation and a node's id, found {given!r}")
    return given[0], given[1]
