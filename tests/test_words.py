"""Text into words: what stands there, what is laid over it, and that nobody's text breaks it."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import bm25

from primecore import _words


def words(text: str) -> list[str]:
    return [word for word, _, _, over in _words.spans(text)[1] if not over]


def laid_over(text: str) -> list[str]:
    return [word for word, _, _, over in _words.spans(text)[1] if over]


@pytest.mark.parametrize(
    ("text", "expected", "over"),
    [
        ("Alice leads the Auth project.", ["alice", "leads", "the", "auth", "project"], []),
        ("getUserName", ["get", "user", "name"], ["getusername"]),
        ("get_user_name", ["get", "user", "name"], ["get_user_name"]),
        ("HTTPServer parses URLs", ["http", "server", "parses", "urls"], ["httpserver"]),
        ("__init__ _x", ["init", "x"], []),
        ("utf8 v2 3.14", ["utf8", "v2", "3", "14"], []),
        ("alice's state-of-the-art", ["alice", "s", "state", "of", "the", "art"], []),
        ("STRASSE Straße", ["strasse", "strasse"], []),
        ("ﬁle Ⅸ ①", ["file", "ix", "1"], []),
        ("東京都", ["東", "京", "都"], ["東京", "京都"]),
        ("カタカナ", ["カ", "タ", "カ", "ナ"], ["カタ", "タカ", "カナ"]),
        ("한국어 검색", ["한국어", "검색"], []),
        ("हिन्दी", ["हिन्दी"], []),
        ("שלום \u200fعالم", ["שלום", "عالم"], []),
        ("👍🏽 ok👩\u200d💻", ["👍", "ok", "👩", "💻"], []),
        ("cafe\u0301 CAFÉ", ["café", "café"], []),
        ("co\u00adoperate zero\u200bwidth", ["cooperate", "zero", "width"], []),
        ("ÄpfelUndBirnen", ["äpfel", "und", "birnen"], ["äpfelundbirnen"]),
        ("a\x00b\ud800c", ["a", "b", "c"], []),
        ("... --- !!!", [], []),
        ("", [], []),
        ("_", [], []),
    ],
)
def test_words_are(text: str, expected: list[str], over: list[str]):
    assert words(text) == expected
    assert laid_over(text) == over


ANY = st.text(max_size=40)
AWKWARD = st.text(alphabet="aAbBsS_09.é\u0301ß東京カ👍🏽\u200d\u00ad ʼnǅİΣς\u1e9eﬀªमि", max_size=30)


@settings(max_examples=600, deadline=None)
@given(ANY | AWKWARD)
@example("_\u00ad_")
@example("aA" * 200)
def test_words_are_those_of_the_plain_telling(text: str):
    text = text.encode("utf-8", "replace").decode()
    assert [(word, over) for word, _, _, over in _words.spans(text)[1]] == bm25.words(text)


@settings(max_examples=400, deadline=None)
@given(ANY | AWKWARD)
def test_folding_again_changes_nothing(text: str):
    assert _words.fold(_words.fold(text)) == _words.fold(text)
    for word in words(text):
        assert _words.fold(word) == word or len(word.encode()) > 60
        assert 0 < len(word.encode()) <= 64


@settings(max_examples=300, deadline=None)
@given(AWKWARD)
def test_case_does_not_matter_where_nothing_is_taken_apart(text: str):
    plain = unicodedata.normalize("NFKC", text).replace("_", "")
    assert words(plain.lower()) == words(plain.lower().casefold())


@settings(max_examples=300, deadline=None)
@given(ANY | AWKWARD)
def test_places_are_where_the_words_stand(text: str):
    text = text.encode("utf-8", "replace").decode()
    plain, found = _words.spans(text)
    assert plain == unicodedata.normalize("NFKC", text)
    for word, start, end, _ in found:
        assert bm25.cut(plain[start:end]) == word


def test_long_runs_are_cut_and_not_taken_apart():
    data = "aBcDeF" * 100_000
    assert words(data) == [data[:64].lower()]
    assert words("é" * 500) == ["é" * 32]
    assert len(words("word " * 200_000)) == 200_000
