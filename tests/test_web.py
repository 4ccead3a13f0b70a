"""The page at /, as a person meets it: in a browser without a head, by mouse and by keyboard."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.serving import Served, serving

import primecore
from primecore.faces.http.settings import Settings

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("chromium is not on PATH", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[1]
WEB = ROOT / "primecore/faces/web"
ALICE, AUTH, SESSIONS = "node:person:alice", "node:project:auth", "node:service:sessions"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        # A browser's sandbox wants rights that a container rarely has; what is shown here is our own page.
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@contextmanager
def opened(browser: Any, url: str, allowed: str = "$^", **how: Any) -> Iterator[Any]:
    """A page. Nothing may have gone wrong in it when it is closed, and nothing asked of any other host."""
    context = browser.new_context(reduced_motion="reduce", viewport={"width": 1280, "height": 800}, **how)
    context.set_default_timeout(20_000)
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda it: wrong.append(it.text) if it.type in ("error", "warning") else None)
    page.on("pageerror", lambda it: wrong.append(str(it)))
    own = url.partition("/#")[0]
    page.on("request", lambda it: None if it.url.startswith(own) else wrong.append(f"asked {it.url}"))
    page.goto(url)
    yield page
    context.close()
    assert not [it for it in wrong if not re.search(allowed, it)], wrong


def ready(page: Any, at: int | str = "now") -> None:
    page.wait_for_selector(f'body[data-ready="{at}"]')


def node(page: Any, id: str) -> Any:
    return page.locator(f'.node[data-id="{id}"]')


def drawn(page: Any) -> set[str]:
    return set(page.eval_on_selector_all(".node", "found => found.map(it => it.dataset.id)"))


def slide(page: Any, to: int) -> None:
    page.locator("#time").fill(str(to))
    ready(page, to)


@pytest.fixture
def team() -> Iterator[Served]:
    with primecore.open(":memory:") as prime:
        prime.ingest(str(ROOT / "examples/team.jsonl"))
        with serving(prime) as served:
            yield served


def unnamed(page: Any) -> list[str]:
    """Controls without an accessible name, as the browser computes it for assistive technology."""
    session = page.context.new_cdp_session(page)
    session.send("Accessibility.enable")
    tree = session.send("Accessibility.getFullAXTree")["nodes"]
    controls = {"button", "link", "textbox", "combobox", "slider", "tab", "option", "listbox", "dialog", "tabpanel"}
    found = [it for it in tree if not it.get("ignored") and it.get("role", {}).get("value") in controls]
    assert len(found) > 2
    return [str(it) for it in found if not it.get("name", {}).get("value", "").strip()]


def test_a_person_finds_a_node_and_its_past(browser: Any, team: Served) -> None:
    with opened(browser, team.url) as page:
        ready(page)
        assert {ALICE, AUTH} <= drawn(page) and SESSIONS not in drawn(page)
        expect(page.locator(".figures")).to_contain_text("7nodes")
        assert not unnamed(page)
        page.keyboard.press("/")
        page.keyboard.type("aut")
        page.wait_for_selector("#hits [role=option]")
        assert not unnamed(page)
        page.keyboard.press("Enter")
        panel = page.locator("#panel")
        expect(panel.locator("h1")).to_have_text("Auth")
        expect(panel).to_contain_text("running")
        expect(node(page, AUTH)).to_have_attribute("aria-pressed", "true")
        page.get_by_role("tab", name="Edges").click()
        expect(panel).to_contain_text("works_on")
        page.get_by_role("tab", name="History").click()
        expect(panel.locator("del")).to_have_text("planned")
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("tab", name="Why")).to_be_focused()
        expect(panel.locator(".why")).to_contain_text("node.updated")
        assert not unnamed(page)
        # Everything goes to the past: the graph, the panel, the words beside the slider.
        slide(page, 14)
        assert SESSIONS in drawn(page) and "node:decision:tokens" not in drawn(page)
        expect(panel.locator(".why")).not_to_contain_text("node.updated")
        page.get_by_role("tab", name="History").click()
        expect(panel.locator(".history")).to_contain_text("created")
        expect(panel.locator("del")).to_have_count(0)
        expect(page.locator("#when")).to_contain_text("#14 of 22 edge.created bob-works-on-sessions")
        assert "at=14" in page.url
        page.get_by_role("tab", name="Properties").click()
        expect(panel).to_contain_text("planned")
        slide(page, 2)
        expect(panel).to_contain_text("It was not there at this point in time")
        assert drawn(page) == {ALICE, "node:person:bob"}
        page.get_by_role("button", name="Back to now").click()
        ready(page)
        expect(panel).to_contain_text("running")


def test_the_address_brings_it_all_back(browser: Any, team: Served) -> None:
    with opened(browser, f"{team.url}/#id={SESSIONS}&at=14") as page:
        ready(page, 14)
        expect(page.locator("#panel h1")).to_have_text("Sessions")
        assert page.locator("#time").input_value() == "14"
        node(page, ALICE).click()
        expect(page.locator("#panel h1")).to_have_text("Alice")
        page.go_back()
        expect(page.locator("#panel h1")).to_have_text("Sessions")


def test_what_is_written_appears_at_once(browser: Any, team: Served) -> None:
    with opened(browser, team.url) as page:
        expect(page.locator("#live")).to_have_text("live")
        ready(page)
        team.prime.add_node("person", {"name": "Dora"}, id="dora")
        team.prime.add_edge("node:person:dora", AUTH, "reads")
        page.wait_for_selector('.node[data-id="node:person:dora"]')
        expect(page.locator(".edges")).to_contain_text("reads")
        expect(page.locator(".figures")).to_contain_text("24events")
        # The past stays as it was, and the slider grows.
        slide(page, 14)
        team.prime.delete_node("node:person:dora")
        expect(page.locator("#time")).to_have_attribute("max", "25")
        assert page.locator("#time").input_value() == "14" and "node:person:dora" not in drawn(page)
        page.keyboard.press("n")
        ready(page)
        expect(node(page, "node:person:dora")).to_have_count(0)


def test_everything_can_be_done_by_keyboard(browser: Any, team: Served) -> None:
    with opened(browser, team.url) as page:
        ready(page)
        page.locator("#graph").focus()
        seen = set()
        for key in ("ArrowUp", "ArrowRight", "ArrowDown", "ArrowLeft", "ArrowLeft", "ArrowUp"):
            page.keyboard.press(key)
            seen.add(page.locator(".node.selected").get_attribute("data-id"))
        assert len(seen) > 2
        page.keyboard.press("Enter")
        expect(page.get_by_role("tab", name="Properties")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("#panel h1")).to_have_text("Overview")
        page.keyboard.press("[")
        ready(page, 21)
        page.keyboard.press("]")
        ready(page)
        page.keyboard.press("?")
        expect(page.locator("#keys")).to_be_visible()
        assert not unnamed(page)
        page.keyboard.press("Escape")
        expect(page.locator("#keys")).to_be_hidden()
        page.keyboard.press("/")
        page.keyboard.type("nothing-like-this")
        expect(page.locator("#hits")).to_contain_text("Nothing found")
        page.keyboard.press("Escape")
        expect(page.locator("#hits")).to_be_hidden()
        page.locator("#time").focus()
        page.keyboard.press("ArrowLeft")
        ready(page, 21)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(browser: Any, team: Served, scheme: str) -> None:
    def ground(page: Any) -> int:
        color = page.evaluate("getComputedStyle(document.querySelector('#panel')).backgroundColor")
        return sum(int(part) for part in re.findall(r"\d+", color)[:3])

    with opened(browser, team.url, color_scheme=scheme) as page:
        ready(page)
        first = ground(page)
        assert (first < 200) is (scheme == "dark")
        page.keyboard.press("t")
        assert (ground(page) < 200) is not (scheme == "dark")
        page.reload()
        ready(page)
        assert (ground(page) < 200) is not (scheme == "dark")


def test_a_hub_is_drawn_in_part_and_says_so(browser: Any) -> None:
    with primecore.open(":memory:") as prime:
        hub = prime.add_node("topic", {"name": "Hub"}, id="hub")
        events = []
        for at in range(5_000):
            leaf = f"node:leaf:{at}"
            payload = {"source": leaf, "target": hub, "relation": "in"}
            events.append({"event_type": "prime.node.created", "entity_id": leaf, "payload": {"properties": {}}})
            events.append({"event_type": "prime.edge.created", "entity_id": f"edge:{at}", "payload": payload})
        prime.append_many(events)
        with serving(prime) as served, opened(browser, served.url) as page:
            ready(page)
            assert len(drawn(page)) == 60
            expect(page.locator("#said")).to_contain_text("60 of 5,001 nodes are drawn")
            page.keyboard.press("/")
            page.keyboard.type(hub)
            page.wait_for_selector("#hits [role=option]")
            page.keyboard.press("Enter")
            expect(page.locator("#said")).to_contain_text("Hub has more neighbours than are drawn")
            before = len(drawn(page))
            page.keyboard.press("Enter")
            expect(page.locator(".node")).not_to_have_count(before)
            for _ in range(8):
                page.keyboard.press("Enter")
                page.wait_for_timeout(50)
            expect(page.locator("#said")).to_contain_text("240 nodes is the most that is drawn")
            assert len(drawn(page)) == 240
            page.get_by_role("tab", name="Edges").click()
            expect(page.locator("#panel ul.edges button")).to_have_count(100)
            page.get_by_role("button", name="Show more").click()
            expect(page.locator("#panel ul.edges button")).to_have_count(200)


NAMES = """() => {
  const boxes = (found) => [...document.querySelectorAll(found)].map((it) => {
    const { left, top, right, bottom } = it.getBoundingClientRect();
    return { who: it.closest(".node").dataset.id, left, top, right, bottom };
  });
  return { names: boxes(".node:not(.mute) .label"), discs: boxes(".node .disc") };
}"""


def covered(page: Any) -> list[tuple[str, str]]:
    """Names that lie on a disc or on another name, as drawn."""
    found = page.evaluate(NAMES)
    assert len(found["names"]) > 3
    wrong = []
    for at, name in enumerate(found["names"]):
        for other in found["names"][at + 1 :] + [it for it in found["discs"] if it["who"] != name["who"]]:
            wide = min(name["right"], other["right"]) - max(name["left"], other["left"])
            high = min(name["bottom"], other["bottom"]) - max(name["top"], other["top"])
            if wide > 2 and high > 4:  # the box of a line of text is higher than its letters
                wrong.append((name["who"], other["who"]))
    return wrong


@pytest.mark.parametrize("viewport", [{"width": 1280, "height": 800}, {"width": 390, "height": 844}])
def test_names_can_be_read(browser: Any, viewport: dict[str, int]) -> None:
    """Of a crowd of nodes with long names: no name lies on another or on a disc, or out of sight.

    That of the selected node shows in any case, above what it may have to cover.
    """
    with primecore.open(":memory:") as prime:
        nodes = [prime.add_node("t", {"name": f"Number {at} of a crowd"}, id=str(at)) for at in range(50)]
        for at, one in enumerate(nodes[1:]):
            prime.add_edge(nodes[at // 7], one, "leads_to")
        with serving(prime) as served, opened(browser, f"{served.url}/#id={nodes[0]}") as page:
            page.set_viewport_size(viewport)
            ready(page)
            page.wait_for_timeout(200)
            assert not [pair for pair in covered(page) if pair[0] != nodes[0]]
            inside = page.evaluate("() => document.querySelector('#graph').getBoundingClientRect().toJSON()")
            names = page.evaluate(NAMES)["names"]
            assert all(inside["left"] <= it["left"] and it["right"] <= inside["right"] for it in names)
            page.keyboard.press("Escape")
            ready(page)
            assert not covered(page)


CONTRAST = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  const light = (color) => color.slice(0, 3).map((it) => it / 255)
    .map((it) => (it <= 0.04045 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4))
    .reduce((sum, it, at) => sum + it * [0.2126, 0.7152, 0.0722][at], 0);
  const found = [];
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (words.nextNode()) {
    const element = words.currentNode.parentElement;
    const style = getComputedStyle(element);
    const shown = element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
    if (!words.currentNode.data.trim() || !shown) continue;
    if (element.closest(":disabled, option, .mute, .more[aria-hidden], script")) continue;
    let [ground, opacity] = [null, 1];
    const behind = [];
    for (let at = element; at; at = at.parentElement) {
      opacity *= Number(getComputedStyle(at).opacity);
      behind.push(rgba(getComputedStyle(at).backgroundColor));
    }
    ground = behind.reverse().reduce((below, color) => over(color, below), rgba("white"));
    const ink = rgba(element instanceof SVGElement ? style.fill : style.color);
    ink[3] *= opacity;
    const [a, b] = [light(over(ink, ground)), light(ground)].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    found.push({ text: words.currentNode.data.slice(0, 40), ratio: (a + 0.05) / (b + 0.05), least: large ? 3 : 4.5 });
  }
  return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_words_stand_out_from_their_ground(browser: Any, team: Served, scheme: str) -> None:
    """WCAG 2.2, 1.4.3 (AA): 4.5 to 1, for large words 3 to 1."""

    def look(page: Any, least: int) -> None:
        found = page.evaluate(CONTRAST)
        assert len(found) >= least, found
        pale = [it for it in found if it["ratio"] < it["least"]]
        assert not pale, pale

    with opened(browser, team.url, color_scheme=scheme) as page:
        ready(page)
        look(page, 40)
        node(page, AUTH).click()
        for tab in ("Properties", "Edges", "History", "Why"):
            page.get_by_role("tab", name=tab).click()
            expect(page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")
            look(page, 20)
        slide(page, 14)
        look(page, 20)
        page.keyboard.press("/")
        page.keyboard.type("a")
        page.wait_for_selector("#hits [role=option]")
        look(page, 20)
        page.keyboard.press("Escape")
        page.locator("#graph").focus()
        page.keyboard.press("?")
        look(page, 10)


def test_nothing_stored_becomes_markup(browser: Any) -> None:
    evil = '<img src=x onerror="document.title=\'owned\'">'
    with primecore.open(":memory:") as prime:
        one = prime.add_node("note", {"name": evil, evil: [evil]}, id="a/<b>?#&%", domain=evil, labels=[evil])
        prime.add_edge(one, one, evil, id="e<b>")
        prime.append(f"x.{'y' * 100}", "other:<b>", {"text": evil})
        with serving(prime) as served, opened(browser, served.url) as page:
            ready(page)
            node(page, one).click()
            for tab in ("Edges", "History", "Why", "Properties"):
                page.get_by_role("tab", name=tab).click()
                expect(page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")
                expect(page.locator("#panel .body")).to_contain_text(evil[:8])
            assert page.title() == "Prime" and page.locator("#panel img").count() == 0
            expect(page.locator("#panel .id")).to_have_text(one)


def test_an_empty_store_says_so_and_fills(browser: Any) -> None:
    with primecore.open(":memory:") as prime, serving(prime) as served, opened(browser, served.url) as page:
        ready(page)
        expect(page.locator("#empty")).to_contain_text("Nothing is remembered yet")
        prime.add_node("person", {"name": "Alice"}, id="alice")
        page.wait_for_selector(f'.node[data-id="{ALICE}"]')
        expect(page.locator("#empty")).to_be_hidden()


def test_a_key_is_asked_for_and_kept(browser: Any) -> None:
    with primecore.open(":memory:") as prime:
        prime.add_node("person", {"name": "Alice"}, id="alice")
        with serving(prime, Settings(keys=("w",), read_keys=("secret",))) as served:
            assert httpx.get(f"{served.url}/api/v1/prime/stats").status_code == 401
            assert httpx.post(served.url).status_code == 401
            with opened(browser, served.url, allowed="401") as page:
                for key in ("wrong", "secret"):
                    expect(page.get_by_label("API key")).to_be_visible()
                    assert not unnamed(page)
                    page.get_by_label("API key").fill(key)
                    page.keyboard.press("Enter")
                    expect(page.locator("#ask-why")).to_contain_text("does not fit" if key == "wrong" else "key")
                ready(page)
                assert ALICE in drawn(page)
                expect(page.locator("#live")).to_have_text("live")
                page.reload()
                ready(page)


def test_the_page_needs_nothing_from_elsewhere_and_no_inline_script(team: Served) -> None:
    files = {path.name: path.read_text(encoding="utf-8") for path in WEB.iterdir()}
    for name, text in files.items():
        addresses = set(re.findall(r"https?://[^\s\"')]+", text)) - {"http://www.w3.org/2000/svg"}
        assert not addresses, f"{name} leads to {addresses}"
        assert len(text) < 40_000
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|<style", files["index.html"])
    for name in files:
        answer = httpx.get(f"{team.url}/{'' if name == 'index.html' else name}")
        policy = answer.headers["content-security-policy"]
        assert answer.status_code == 200 and "unsafe" not in policy and "script-src 'self'" in policy
