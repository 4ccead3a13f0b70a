// The search field and its list. Knows how to ask for nodes; what is done with a chosen one is handed in.

import { among, get, post } from "./api.js";
import { bare, el, nameOf, number, typeOf } from "./panel.js";

const FOUND = 14;
const PAGE = 60;
const $ = (id) => document.getElementById(id);

export class Search {
  /** `on` has choose(id), color(type), say(text) and the page's state. */
  constructor(on) {
    this.on = on;
    this.field = $("search");
    this.list = $("hits");
    this.chosen = -1;
    this.waiting = 0;
    this.field.addEventListener("input", () => this.soon());
    this.field.addEventListener("focus", () => this.field.value && this.soon());
    this.field.addEventListener("keydown", (event) => this.key(event));
    this.field.addEventListener("blur", () => setTimeout(() => this.list.contains(document.activeElement) || this.close(), 120));
    $("how").addEventListener("change", () => this.soon());
    // A press would take the focus away, and with it the list.
    this.list.addEventListener("pointerdown", (event) => event.preventDefault());
    this.list.addEventListener("click", (event) => {
      const id = event.target.closest("[role=option]")?.dataset.id;
      if (id) this.choose(id);
    });
  }

  start() {
    $("how").hidden = !this.on.state.features.recall;
  }

  soon() {
    clearTimeout(this.waiting);
    this.shown = null;
    this.waiting = setTimeout(() => this.ask(), 110);
  }

  async ask() {
    clearTimeout(this.waiting);
    const text = this.field.value.trim();
    this.asked?.abort();
    if (!text) return this.close();
    this.asked = new AbortController();
    const { signal } = this.asked;
    try {
      const found = /^(node|edge):/.test(text) ? await this.byId(text, signal) : await this.byWords(text, signal);
      const past = this.on.state.at !== null && !/^node:/.test(text) ? "Words are looked up in what is there now." : "";
      this.show(found, found.length ? past : `Nothing found for “${text}”.`);
    } catch (error) {
      if (error.name !== "AbortError") this.show([], error.message);
    }
  }

  async byId(id, signal) {
    const [node] = (await among([id], this.on.state.at, signal)).nodes;
    return node ? [{ id, name: nameOf(node) }] : [{ id, name: bare(id), note: "not there; its history may be" }];
  }

  async byWords(text, signal) {
    const how = $("how").hidden ? "search" : $("how").value;
    // The last word is still being written, unless a quote or an operator ends it.
    const query = how === "search" && /[\p{L}\p{N}]$/u.test(text) ? `${text}*` : text;
    const answer = await post(`/${how}`, { query, top_k: FOUND }, signal);
    const hits = answer.hits || answer.results || answer.nodes || [];
    return hits.map((hit) => ({ id: hit.id || hit.entity_id, name: hit.text || bare(hit.id || hit.entity_id) }));
  }

  /** Lists nodes of a type, as they are at the moment that is shown. */
  async ofType(type) {
    try {
      const { nodes, next } = await get("/nodes", { type, limit: PAGE, at: this.on.state.at });
      this.show(nodes.map((node) => ({ id: node.id, name: nameOf(node) })), next === null ? `${type}: all ${number(nodes.length)}` : `${type}: the first ${PAGE}`);
      this.field.focus();
    } catch (error) {
      this.on.say(error.message, true);
    }
  }

  show(found, note) {
    this.found = found;
    this.shown = this.field.value;
    this.chosen = found.length ? 0 : -1;
    this.list.replaceChildren(
      ...(note ? [el("p", {}, note)] : []),
      ...found.map(({ id, name, note: told }, at) =>
        el("div", { role: "option", id: `hit-${at}`, "data-id": id, "aria-selected": "false" },
          el("i", { class: `dot c${this.on.color(typeOf(id))}` }), el("span", { class: "name" }, name), el("code", {}, told || id))));
    this.list.hidden = false;
    this.field.setAttribute("aria-expanded", "true");
    this.mark();
  }

  mark() {
    for (const [at, option] of [...this.list.querySelectorAll("[role=option]")].entries()) {
      option.setAttribute("aria-selected", String(at === this.chosen));
      if (at === this.chosen) option.scrollIntoView({ block: "nearest" });
    }
    if (this.chosen < 0) this.field.removeAttribute("aria-activedescendant");
    else this.field.setAttribute("aria-activedescendant", `hit-${this.chosen}`);
  }

  key(event) {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by && !this.list.hidden && this.found.length) {
      this.chosen = (this.chosen + by + this.found.length) % this.found.length;
      this.mark();
    } else if (event.key === "Enter") {
      this.enter();
    } else if (event.key === "Escape") {
      if (this.list.hidden) {
        this.field.value = "";
        $("graph").focus();
      }
      this.close();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  async enter() {
    // Whoever types faster than answers come gets the answer to what was typed.
    if (this.field.value.trim() && this.shown !== this.field.value) await this.ask();
    const hit = this.list.hidden ? null : this.found[this.chosen];
    if (hit) this.choose(hit.id);
  }

  choose(id) {
    this.close();
    this.field.value = "";
    this.field.blur();
    this.on.choose(id);
  }

  close() {
    clearTimeout(this.waiting);
    this.asked?.abort();
    this.shown = null;
    this.list.hidden = true;
    this.field.setAttribute("aria-expanded", "false");
    this.field.removeAttribute("aria-activedescendant");
  }
}
