// The panel at the side: a node with its properties, edges, history and reasons; the store with its figures. Makes elements
// and asks the server; what is selected and when is handed in. Text is set as text: nothing stored becomes markup.

import { among, get, segment } from "./api.js";

const EDGES_SHOWN = 100;
const HISTORY_SHOWN = 100;

export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (attribute.startsWith("on")) element.addEventListener(attribute.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(attribute, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const number = (value) => Number(value).toLocaleString("en");

const DAY = { dateStyle: "medium", timeStyle: "short" };
export function moment(text) {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? String(text) : date.toLocaleString(undefined, DAY);
}

export const bare = (id) => id.replace(/^node:[^:]*:|^edge:/, "");
export const typeOf = (id) => (id.startsWith("node:") ? id.split(":", 2)[1] : id.split(":", 1)[0]);

/** What a person calls a node. */
export function nameOf(node) {
  for (const field of ["name", "title", "label"]) {
    const value = node.properties?.[field];
    if (typeof value === "string" && value.trim()) return value;
  }
  return bare(node.id);
}

function bytes(count) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  for (; count >= 1024 && at < 4; at++) count /= 1024;
  return `${at ? count.toFixed(count < 10 ? 1 : 0) : number(count)} ${units[at]}`;
}

/** A JSON value: short ones on a line, long ones folded. */
function value(it) {
  if (typeof it === "string") {
    if (it.length < 280) return el("span", { class: "text" }, it);
    return el("details", {}, el("summary", {}, `${it.slice(0, 120)}…`), el("p", { class: "text" }, it));
  }
  const text = JSON.stringify(it);
  if (it === null || typeof it !== "object" || text.length < 60) return el("code", {}, text ?? "absent");
  return el("details", {}, el("summary", {}, Array.isArray(it) ? `${it.length} items` : `${Object.keys(it).length} fields`),
    el("pre", {}, JSON.stringify(it, null, 2)));
}

/** What a JSON pointer leads to, for people: /properties/a~1b is a/b. */
const fieldName = (pointer) =>
  pointer.replace(/^\/(properties\/)?/, "").replaceAll("~1", "/").replaceAll("~0", "~") || "itself";

const rows = (pairs) =>
  el("dl", { class: "rows" }, ...pairs.map(([name, shown]) => el("div", {}, el("dt", {}, name), el("dd", {}, shown))));
const quiet = (text) => el("p", { class: "quiet" }, text);

export class Panel {
  /** `on` has select(id), time(position), type(name), close(), and color(type). */
  constructor(host, on) {
    this.host = host;
    this.on = on;
    this.tab = "properties";
    this.asked = null;
  }

  /** Whether it shows just that of a node already: a list that was scrolled and lengthened is left alone then. */
  shows(id, at, node) {
    return id !== null && this.shown === `${id} ${at} ${node?.version}`;
  }

  /** Shows one of two: a node (or what is known of an id where none is), or the store. */
  async show({ id, node, at, stats, features, events, position }) {
    this.asked?.abort();
    this.asked = new AbortController();
    const signal = this.asked.signal;
    this.shown = "";
    if (id) {
      await this.node(id, node, at, features, signal);
      if (!signal.aborted) this.shown = `${id} ${at} ${node?.version}`;
    } else this.store(stats, at, features, events, position);
  }

  // A node.

  async node(id, node, at, features, signal) {
    const color = `c${this.on.color(typeOf(id))}`;
    const head = el("header", {},
      el("div", { class: "kind" }, el("i", { class: `dot ${color}` }), typeOf(id),
        node?.domain ? el("span", { class: "tag" }, node.domain) : null,
        ...(node?.labels || []).map((label) => el("span", { class: "tag" }, label))),
      el("h1", {}, node ? nameOf(node) : bare(id)),
      el("code", { class: "id" }, id),
      el("button", { type: "button", class: "close", "aria-label": "Close details", title: "Close (Esc)", onclick: () => this.on.close() }, "×"));
    const tabs = { properties: "Properties", edges: "Edges", history: "History" };
    if (features.why) tabs.why = "Why";
    if (!tabs[this.tab]) this.tab = "properties";
    const bar = el("div", { role: "tablist", "aria-label": "About this node" });
    const body = el("div", { role: "tabpanel", class: "body", id: "about", "aria-label": tabs[this.tab], tabindex: 0 });
    for (const [name, title] of Object.entries(tabs)) {
      const chosen = name === this.tab;
      bar.append(el("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": "about",
        "aria-selected": String(chosen), tabindex: chosen ? 0 : -1, onclick: () => this.turn(name) }, title));
    }
    bar.addEventListener("keydown", (event) => this.roam(event, Object.keys(tabs)));
    this.again = () => this.node(id, node, at, features, signal);
    // What is there stays until its successor has come, so that nothing flickers.
    const fresh = await this.fill(this.tab, id, node, at, features, signal).catch((error) => {
      return [quiet(error.message)];
    });
    if (signal.aborted) return;
    body.append(...fresh);
    const kept = this.host.dataset.of === `${id} ${this.tab}` ? this.host.querySelector(".body")?.scrollTop || 0 : 0;
    const focus = this.host.contains(document.activeElement) ? document.activeElement.id : "";
    this.host.dataset.of = `${id} ${this.tab}`;
    this.host.replaceChildren(head, bar, body);
    body.scrollTop = kept;
    if (focus) document.getElementById(focus)?.focus();
  }

  turn(name) {
    this.tab = name;
    return this.again();
  }

  roam(event, names) {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    const name = names[(names.indexOf(this.tab) + by + names.length) % names.length];
    this.turn(name).then(() => document.getElementById(`tab-${name}`)?.focus());
  }

  async fill(tab, id, node, at, features, signal) {
    if (tab === "edges") return this.edges(id, at, signal);
    if (tab === "history") return this.history(id, at, features, signal, null);
    if (!node) return [quiet(at === null ? "It is not there any more; its history is." : "It was not there at this point in time.")];
    return tab === "why" ? this.why(id, at, signal) : this.properties(node);
  }

  properties(node) {
    const pairs = Object.entries(node.properties).map(([name, it]) => [name, value(it)]);
    return [
      pairs.length ? rows(pairs) : quiet("No properties."),
      el("h2", {}, "Record"),
      rows([["created", moment(node.created_at)], ["last changed", moment(node.updated_at)], ["version", number(node.version)],
        ["position", this.point(node.position)]]),
    ];
  }

  /** A position in the log that one can go to. */
  point(position) {
    return el("button", { type: "button", class: "link", "aria-label": `Go to position ${position}`, onclick: () => this.on.time(position) }, `#${number(position)}`);
  }

  async edges(id, at, signal) {
    const lists = await Promise.all(["source", "target"].map((end) => this.edgeList(id, end, at, signal, null)));
    const found = lists.flat();
    return found.length ? found : [quiet("No edges.")];
  }

  async edgeList(id, end, at, signal, after) {
    const answer = await get("/edges", { [end]: id, limit: EDGES_SHOWN, after, at }, signal);
    if (!answer.edges.length) return [];
    const others = [...new Set(answer.edges.map((edge) => (end === "source" ? edge.target : edge.source)))];
    const names = new Map((await among(others, at, signal)).nodes.map((node) => [node.id, nameOf(node)]));
    const list = el("ul", { class: "edges" }, ...answer.edges.map((edge) => {
      const other = end === "source" ? edge.target : edge.source;
      const arrow = end === "source" ? "→" : "←";
      return el("li", {}, el("button", { type: "button", class: "row", title: other, onclick: () => this.on.select(other) },
        el("span", { class: "relation" }, `${arrow} ${edge.relation}`),
        el("span", { class: "peer" }, el("i", { class: `dot c${this.on.color(typeOf(other))}` }), names.get(other) ?? bare(other)),
        edge.weight === 1 ? null : el("span", { class: "weight", title: "weight" }, String(edge.weight))));
    }));
    const title = el("h2", {}, end === "source" ? "Leads to" : "Is led to from");
    const parts = after === null ? [title, list] : [list];
    if (answer.next !== null) parts.push(this.more(() => this.edgeList(id, end, at, signal, answer.next)));
    return parts;
  }

  /** A button that gives way to what it fetches. */
  more(fetchMore) {
    const button = el("button", { type: "button", class: "more", onclick: async () => {
      button.disabled = true;
      try {
        button.replaceWith(...(await fetchMore()));
      } catch (error) {
        button.disabled = false;
        button.title = error.message;
      }
    } }, "Show more");
    return button;
  }

  async history(id, at, features, signal, since) {
    let entries;
    if (features.timeline) {
      entries = (await get("/timeline", { entity: id, since, until: at, limit: HISTORY_SHOWN }, signal)).results;
    } else {
      const found = await get(`/nodes/${segment(id)}/history`, { after: since, limit: HISTORY_SHOWN }, signal);
      entries = found.events.filter((event) => at === null || event.position <= at).map((event) => ({ event, effect: "", fields: [] }));
    }
    if (!entries.length) return [quiet("Nothing happened yet.")];
    const list = el("ol", { class: "history" }, ...entries.map((entry) => this.entry(entry)));
    const last = entries.at(-1).event.position;
    return entries.length < HISTORY_SHOWN ? [list] : [list, this.more(() => this.history(id, at, features, signal, last))];
  }

  entry({ event, effect, fields }) {
    // A domain that is a property too is said once.
    const twice = fields.some(({ field }) => field === "/properties/domain") ? "/domain" : "";
    const changes = fields.filter((change) => !["/created_at", "/updated_at", "/type", twice].includes(change.field)).map((change) =>
      el("li", {}, el("span", { class: "field" }, fieldName(change.field)), " ",
        change.kind === "added" ? null : el("del", {}, value(change.before)), change.kind === "changed" ? " " : null,
        change.kind === "removed" ? null : el("ins", {}, value(change.after))));
    return el("li", { class: effect || null },
      el("div", {}, el("b", {}, effect || event.event_type), el("time", { datetime: event.timestamp }, moment(event.timestamp)), this.point(event.position)),
      changes.length ? el("ul", {}, ...changes) : null);
  }

  async why(id, at, signal) {
    const answer = await get("/why", { entity: id, at }, signal);
    return [
      quiet("Which event set each field to what it is."),
      el("ul", { class: "why" }, ...answer.results.map(({ field, value: it, present, event }) =>
        el("li", {}, el("span", { class: "field" }, fieldName(field)), " ",
          present ? (/^\/(created|updated)_at$/.test(field) ? moment(it) : value(it)) : el("em", {}, "taken away"),
          el("small", {}, event.event_type.replace(/^prime\./, ""), ", ", moment(event.timestamp), " ", this.point(event.position))))),
    ];
  }

  // The store.

  store(stats, at, features, events, position) {
    this.again = null;
    if (!stats) return;
    const inner = this.host.dataset.of === "store" ? this.host.querySelector(".body")?.scrollTop || 0 : 0;
    const figures = [["nodes", stats.nodes], ["edges", stats.edges], ["events", stats.events]];
    const behind = stats.position - stats.durable_position;
    const body = el("div", { class: "body" },
      el("div", { class: "figures" }, ...figures.map(([name, count]) => el("div", {}, el("b", {}, number(count)), el("span", {}, name)))),
      this.bars("Types", stats.nodes_by_type, (name) => this.on.type(name), true),
      this.bars("Relations", stats.edges_by_relation, null, false),
      this.bars("Domains", stats.domains, null, false),
      el("h2", {}, "Health"),
      at === null ? rows([
        ["on stable storage", behind ? `all but ${number(behind)} events` : "everything"],
        ["log", `${bytes(stats.wal_bytes)} in ${number(stats.wal_segments)} ${stats.wal_segments === 1 ? "segment" : "segments"}`],
        ["memory", bytes(Object.values(stats.memory_bytes).reduce((sum, part) => sum + part, 0))],
        ["dangling edges", number(stats.dangling_edges)],
        ["ignored events", number(stats.ignored_events)],
        ...(stats.parked?.length ? [["parked projections", number(stats.parked.length)]] : []),
      ]) : quiet("As it is now: go back to now to see it."),
      features.doctor ? this.doctor() : null,
      el("h2", {}, "Latest events"),
      events.length ? el("ol", { class: "feed" }, ...events.map((event) => this.happened(event))) : quiet("None yet."));
    this.host.dataset.of = "store";
    const focus = this.host.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : "";
    this.host.replaceChildren(el("header", {}, el("div", { class: "kind" }, at === null ? "The store, now" : `The store at #${number(position)}`),
      el("h1", {}, "Overview")), body);
    body.scrollTop = inner;
    if (focus) this.host.querySelector(`[aria-label="${CSS.escape(focus)}"]`)?.focus();
  }

  bars(title, counts, choose, colored) {
    const sorted = Object.entries(counts || {}).sort((a, b) => b[1] - a[1]);
    if (!sorted.length) return null;
    const most = sorted[0][1];
    const bar = ([name, count]) => {
      const bar = el("div", { class: colored ? `bar c${this.on.color(name)}` : "bar" }, el("i"));
      bar.firstChild.style.width = `${(100 * count) / most}%`;
      const cells = [el("span", {}, name), bar, el("b", {}, number(count))];
      return el("li", {}, choose ? el("button", { type: "button", class: "row", "aria-label": `${name}: ${number(count)}`, onclick: () => choose(name) }, ...cells)
        : el("div", { class: "row" }, ...cells));
    };
    const rest = sorted.length - 12;
    return el("section", {}, el("h2", {}, title), el("ul", { class: "bars" }, ...sorted.slice(0, 12).map(bar)),
      rest > 0 ? quiet(`and ${number(rest)} more`) : null);
  }

  doctor() {
    const found = el("div", { "aria-live": "polite" });
    const fill = (symptoms) => found.replaceChildren(el("ul", { class: "doctor" }, ...symptoms.map((it) =>
      el("li", { class: it.status }, el("b", {}, it.name), ` ${it.message}`, it.next ? el("small", {}, it.next) : null))));
    if (this.symptoms) fill(this.symptoms);
    const button = el("button", { type: "button", class: "more", onclick: async () => {
      button.disabled = true;
      try {
        this.symptoms = (await get("/doctor")).symptoms;
        fill(this.symptoms);
      } catch (error) {
        found.replaceChildren(quiet(error.message));
      }
      button.disabled = false;
    } }, "Look for trouble");
    return el("div", {}, button, found);
  }

  happened(event) {
    const short = event.event_type.replace(/^prime\./, "");
    const inner = [el("span", { class: "what" }, short), el("span", { class: "who" }, bare(event.entity_id)), el("time", { datetime: event.timestamp }, moment(event.timestamp))];
    return el("li", {}, event.entity_id.startsWith("node:")
      ? el("button", { type: "button", class: "row", onclick: () => this.on.select(event.entity_id) }, ...inner)
      : el("div", { class: "row" }, ...inner));
  }
}
