"""Words and BM25 told naively: texts in, lists of scores out. Knows nothing of the engine; slow on purpose."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from support.fold import Fold, instant

K1, B = 1.2, 0.75
MAX_WORD_BYTES, MAX_RUN_BYTES = 64, 256
NFKC = "NFKC"


class Document(NamedTuple):
    """What is said of one id: (weight, text) each, and what it may be filtered by."""

    strings: list[tuple[int, str]]
    type: str | None
    domain: str | None
    labels: tuple[str, ...]
    created: datetime | None
    updated: datetime | None


def fold_case(word: str) -> str:
    word = unicodedata.normalize("NFD", word).casefold()
    return unicodedata.normalize(NFKC, unicodedata.normalize(NFKC, word).casefold())


def kind(character: str) -> str:
    """One letter: l(etter) u(pper) m(ark) d(ropped) a(lone) c(rowded: Han, kana) j(oint), or a space for a break."""
    point, category = ord(character), unicodedata.category(character)
    ranges = ((0x2E80, 0x312F), (0x31A0, 0x31FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF), (0x1AFF0, 0x1B16F))
    if category in ("Lo", "Lm", "Nl") and any(a <= point <= b for a, b in (*ranges, (0x20000, 0x3FFFF))):
        return "c"
    if category in ("Lu", "Lt"):
        return "u"
    if category[0] in "LN":
        return "l"
    if category[0] == "M":
        return "m"
    if category == "Cf":
        return " " if point in (0x200B, 0xFEFF) else "d"
    if category == "So" and (0x2600 <= point <= 0x27BF or 0x2B00 <= point <= 0x2BFF or point >= 0x1F000):
        return "a"
    if 0x1F3FB <= point <= 0x1F3FF:
        return "d"
    return "j" if character == "_" else " "


def cut(word: str) -> str:
    """Folded, without what takes no part, at most so many bytes."""
    taken = 0
    kept = ""
    for character in word:
        if kind(character) != "d" and taken <= MAX_RUN_BYTES:
            kept += character
            taken += len(character.encode())
    return fold_case(kept).encode()[:MAX_WORD_BYTES].decode(errors="ignore")


def parts_of(run: str) -> list[str]:
    """Where case or an underscore breaks a run. Marks and what takes no part follow the character before."""
    found = []
    for piece in run.split("_"):
        letters = [(at, kind(it), it) for at, it in enumerate(piece) if kind(it) in "lu"]
        breaks = {0, len(piece)}
        for number in range(1, len(letters)):
            at, own, letter = letters[number]
            before = letters[number - 1]
            if own == "u" and before[1] == "l":
                breaks.add(at)  # getName: get, Name
            elif own == "l" and number > 1 and before[1] == letters[number - 2][1] == "u":
                plural = letter == "s" and at + 1 == len(piece)
                if letter not in "0123456789" and not plural:
                    breaks.add(before[0])  # HTTPServer: HTTP, Server
        found += [piece[a:b] for a, b in pairwise(sorted(breaks)) if a < b]
    return found


def words(text: str) -> list[tuple[str, bool]]:
    """(word, whether it lies over others) in order."""
    plain = unicodedata.normalize(NFKC, text)
    kinds = "".join(map(kind, plain))
    found: list[tuple[str, bool]] = []
    for match in re.finditer(r"[luj][lujmd]*|c[cd]*|a", kinds):
        piece = plain[match.start() : match.end()]
        if kinds[match.start()] in "luj":
            run = piece.strip("_")
            if not run:
                continue
            parts = parts_of(run) if len(run.encode()) <= MAX_RUN_BYTES else [run]
            if len(parts) > 1:
                found.append((cut(run), True))
                found += [(cut(part), False) for part in parts]
            else:
                found.append((cut(run), False))
        elif kinds[match.start()] == "a":
            found.append((cut(piece), False))
        else:
            dense = [it for it in piece if kind(it) == "c"]
            for number, character in enumerate(dense):
                if number:
                    found.append((cut(dense[number - 1] + character), True))
                found.append((cut(character), False))
    return [(word, over) for word, over in found if word]


def strings_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings_in(item)


def documents(fold: Fold) -> dict[str, Document]:
    """What a fold of events leaves to be found, by id."""
    texts, times = {}, {}
    for entity in fold.vectors:
        for position in reversed(fold.history["vec:" + entity]):
            event = fold.log[position - 1]
            if event["event_type"] == "prime.vector.stored":
                texts[entity] = (event.get("payload") or {}).get("text") or ""
                times[entity] = instant(event.get("timestamp"))
                break
    found = {}
    for node_id, node in fold.nodes.items():
        strings: list[tuple[int, str]] = []
        for key, value in node["properties"].items():
            if key == "name" and isinstance(value, str):
                strings.append((2, value))
            elif not (key == "domain" and isinstance(value, str)):
                strings += [(1, it) for it in strings_in(value)]
        strings += [(1, it) for it in [*node["labels"], texts.get(node_id, "")]]
        found[node_id] = Document(
            strings, node_id.split(":", 2)[1], node["domain"], node["labels"], node["created_at"], node["updated_at"]
        )
    for entity, text in texts.items():
        if not entity.startswith("node:"):
            found[entity] = Document([(1, text)], None, None, (), times[entity], times[entity])
    return found


def singular(word: str) -> str:
    """Harman's rules for an English plural."""
    if len(word) < 3 or not word.endswith("s"):
        return word
    if word.endswith("ies") and not word.endswith(("eies", "aies")) and len(word) > 3:
        return word[:-3] + "y"
    if word.endswith("es") and not word.endswith("ies"):
        return word if word.endswith(("aes", "ees", "oes")) else word[:-1]
    return word if word.endswith(("us", "ss")) else word[:-1]


class Index:
    """BM25 over documents, word by word."""

    def __init__(self, found: dict[str, Document]) -> None:
        self.documents: dict[str, Document] = {}
        self.counts: dict[str, Counter[str]] = {}
        self.lengths: dict[str, int] = {}
        self.places: dict[str, list[list[str]]] = {}
        for name, document in found.items():
            counts: Counter[str] = Counter()
            length = 0
            places = []
            for weight, text in document.strings:
                taken = words(text)
                for word, over in taken:
                    counts[word] += weight
                    length += 0 if over else weight
                places.append([word for word, over in taken if not over])
            if counts:
                self.documents[name], self.counts[name], self.lengths[name] = document, counts, length
                self.places[name] = places
        self.average = sum(self.lengths.values()) / max(1, len(self.lengths))

    def parts(self, clauses: list[tuple[int, str, int]]) -> dict[str, dict[tuple[int, str], float]]:
        """{id: {(kind, word): what it adds}} for clauses (kind, word, times): kind 0 word, 1 beginning, 2 singular."""
        scores: dict[str, dict[tuple[int, str], float]] = {}
        for kind_, word, times in clauses:
            fits = {
                0: lambda it, word=word: it == word,
                1: lambda it, word=word: it.encode().startswith(word.encode()),
                2: lambda it, word=word: singular(it) == singular(word),
            }[kind_]
            having = {name: sum(n for it, n in counts.items() if fits(it)) for name, counts in self.counts.items()}
            having = {name: count for name, count in having.items() if count}
            idf = math.log(1 + (len(self.counts) - len(having) + 0.5) / (len(having) + 0.5))
            for name, count in having.items():
                norm = K1 * (1 - B + B * self.lengths[name] / self.average)
                scores.setdefault(name, {})[kind_, word] = times * idf * count / (count + norm)
        return scores

    def has_phrase(self, name: str, phrase: list[str]) -> bool:
        return any(
            places[at : at + len(phrase)] == phrase for places in self.places[name] for at in range(len(places))
        )
