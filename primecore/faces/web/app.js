// The page: what is selected, which moment is shown, what is drawn; and the ways to change that. The graph and the panel
// are told; the server is asked through api.js.

import { among, document_, follow, get, onKeyMissing, segment } from "./api.js";
import { Graph } from "./graph.js";
import { Panel, bare, el, moment, nameOf, number } from "./panel.js";
import { Search } from "./search.js";

const OVERVIEW = 60; // nodes that are drawn before anything is selected
const NEIGHBORS = 40; // of a node, each time it is expanded
const MOST_NODES = 240; // more is a cloud in which nothing can be told apart
const MOST_EDGES = 900;
const OPEN_KEPT = 12; // expanded nodes whose neighbours are asked for again when time moves
const FEED = 12;
const COLORS = 8;
const $ = (id) => document.getElementById(id);

const state = {
  at: null, // a position, or null for now
  position: 0,
  selected: null,
  drawn: new Map(), // id -> how many of its neighbours are wanted; 0: not expanded
  overview: true,
  stats: null,
  features: {},
  events: [],
  touched: false, // whether an event since then may have changed what the panel says of a node
};
const colors = new Map();

function color(type) {
  if (!colors.has(type)) colors.set(type, colors.size % COLORS);
  return colors.get(type);
}

const graph = new Graph($("graph"), { select: (id) => select(id), expand: (id) => select(id, true), clear: () => state.selected && select(null) });
const panel = new Panel($("panel"), { select: (id) => select(id, true), time: (position) => travel(position), type: (name) => search.ofType(name), close: () => select(null), color });
const search = new Search({ choose: (id) => { select(id, true); $("graph").focus(); }, color, state, say });

// What is shown.

let asked = null;

/** Asks for everything that is to be seen, and shows it; a later call overtakes an earlier one. */
async function refresh() {
  asked?.abort();
  const mine = (asked = new AbortController());
  const { signal } = mine;
  const { at, selected } = state;
  const slow = setTimeout(() => document.body.classList.add("busy"), 250);
  try {
    const [stats, cut] = await Promise.all([get("/stats", { at }, signal), gather(at, signal)]);
    const [found] = await Promise.all([among([...state.drawn.keys()], at, signal), describe(at, signal)]);
    const node = found.nodes.find(({ id }) => id === selected) || null;
    state.stats = stats;
    for (const name of Object.keys(stats.nodes_by_type)) color(name);
    draw(found, stats, cut);
    const same = panel.shows(selected, at, node) && !state.touched;
    state.touched = false;
    if (!same) await panel.show({ id: selected, node, at, stats, features: state.features, events: state.events, position: at ?? state.position });
    document.body.dataset.ready = String(at ?? "now");
  } catch (error) {
    if (error.name !== "AbortError") say(error.message, true);
  } finally {
    clearTimeout(slow);
    if (asked === mine) document.body.classList.remove("busy");
  }
}

/** Adds to what is drawn: the first nodes, and neighbours of expanded ones. Answers the nodes that have more than that. */
async function gather(at, signal) {
  const cut = new Set();
  if (state.overview) {
    const { nodes } = await get("/nodes", { limit: OVERVIEW, at }, signal);
    for (const { id } of nodes) add(id);
  }
  const open = [...state.drawn].filter(([, wanted]) => wanted > 0).slice(-OPEN_KEPT);
  const { nodes } = await among(open.map(([id]) => id), at, signal);
  await Promise.all(nodes.map(async ({ id }) => {
    const answer = await get(`/nodes/${segment(id)}/neighbors`, { limit: state.drawn.get(id), at }, signal);
    if (answer.truncated) cut.add(id);
    for (const { peer } of answer.neighbors) if (!add(peer)) cut.add(id);
  }));
  return cut;
}

function add(id) {
  if (state.drawn.has(id)) return true;
  if (state.drawn.size >= MOST_NODES) return false;
  state.drawn.set(id, 0);
  return true;
}

function draw(found, stats, cut) {
  const whole = state.overview && stats.nodes <= found.nodes.length;
  const nodes = found.nodes.map((node) => ({
    id: node.id,
    label: nameOf(node),
    type: node.type,
    color: color(node.type),
    expanded: whole || state.drawn.get(node.id) > 0,
    more: cut.has(node.id),
  }));
  legend(nodes);
  empty(nodes.length === 0);
  const told = [];
  if (state.overview && stats.nodes > nodes.length) told.push(`${number(nodes.length)} of ${number(stats.nodes)} nodes are drawn. Search for others.`);
  for (const id of cut) {
    if (id === state.selected) told.push(`${nodes.find((node) => node.id === id)?.label ?? bare(id)} has more neighbours than are drawn. Click it for more, or press Enter; Edges lists all.`);
  }
  if (state.drawn.size >= MOST_NODES) told.push(`${MOST_NODES} nodes is the most that is drawn; Esc clears.`);
  if (found.edges.length > MOST_EDGES) told.push(`${MOST_EDGES} of ${number(found.edges.length)} edges are drawn.`);
  say(told.join(" "));
  graph.show(nodes, found.edges.slice(0, MOST_EDGES));
  graph.select(state.selected);
}

/** What stands in place of the graph where there is none, and how to begin. */
function empty(shown) {
  $("empty").hidden = !shown;
  if (!shown) return;
  if (state.at !== null) return $("empty").replaceChildren(el("b", {}, "There was nothing yet"), el("span", {}, "Move the slider on to see how it began."));
  const command = `curl ${location.origin}/api/v1/prime/nodes \\\n  --json '{"type": "person", "properties": {"name": "Alice"}}'`;
  $("empty").replaceChildren(el("img", { src: "icon.svg", alt: "", width: 44, height: 44 }), el("b", {}, "Nothing is remembered yet"),
    el("span", {}, "What comes in will appear here, as it comes. For a start:"), el("code", {}, command));
}

function legend(nodes) {
  const counts = new Map();
  for (const { type } of nodes) counts.set(type, (counts.get(type) || 0) + 1);
  $("legend").replaceChildren(...[...counts].sort((a, b) => b[1] - a[1]).slice(0, COLORS).map(([type, count]) =>
    el("li", {}, el("i", { class: `dot c${color(type)}` }), type, el("b", {}, number(count)))));
}

function say(text, wrong = false) {
  if ($("said").textContent !== text) $("said").textContent = text;
  $("said").classList.toggle("wrong", wrong);
  graph.foot = $("said").offsetHeight;
}

// What is selected, and when.

function select(id, expand = false) {
  const selected = id || null;
  if (selected && !state.drawn.has(selected)) {
    // What is looked for in a store too big to draw begins a drawing of its own.
    if (state.overview && state.stats?.nodes > OVERVIEW) state.drawn.clear();
    if (state.overview && state.stats?.nodes > OVERVIEW) state.overview = false;
    if (state.drawn.size >= MOST_NODES) state.drawn.clear();
    state.drawn.set(selected, 0);
    graph.follows = true;
  }
  if (selected && expand && selected.startsWith("node:")) {
    const before = state.drawn.get(selected);
    state.drawn.delete(selected); // to the end: the latest are asked for again when time moves
    state.drawn.set(selected, before + (before === 0 || selected === state.selected ? NEIGHBORS : 0));
  }
  state.selected = selected;
  graph.select(selected);
  note();
  return refresh();
}

function home() {
  state.selected = null;
  state.overview = true;
  state.drawn.clear();
  graph.follows = true;
  note();
  return refresh();
}

let moving = 0;

/** Goes to a position; null is now. */
function travel(to) {
  state.at = to === null || to >= state.position ? null : Math.max(0, to);
  slider();
  note();
  clearTimeout(moving);
  moving = setTimeout(refresh, 40);
}

function slider() {
  const time = $("time");
  time.max = state.position;
  time.value = state.at ?? state.position;
  // CSP lets no style attribute in a page, but scripts may set properties.
  time.style.setProperty("--done", `${state.position ? (100 * time.value) / state.position : 100}%`);
  time.setAttribute("aria-valuetext", state.at === null ? "now" : `position ${state.at} of ${state.position}`);
  $("now").disabled = state.at === null;
  for (const id of ["time", "back", "play", "forth"]) $(id).disabled = state.position === 0;
  document.body.classList.toggle("past", state.at !== null);
}

/** Says beside the slider which event it is that was the last one then. */
async function describe(at, signal) {
  const position = at ?? state.position;
  const when = $("when");
  if (position === 0) {
    when.textContent = at === null ? "" : "before the first event";
    return;
  }
  const { events } = await get("/events", { after: position - 1, until: position, limit: 1 }, signal);
  const event = events[0];
  when.replaceChildren(
    el("b", {}, at === null ? "now" : moment(event.timestamp)),
    el("span", {}, `#${number(position)}${at === null ? "" : ` of ${number(state.position)}`} `, event ? `${event.event_type.replace(/^prime\./, "")} ${bare(event.entity_id)}` : ""));
}

let playing = 0;

function play() {
  if (playing) return stop();
  if (!state.position) return;
  const by = Math.max(1, Math.ceil((state.position - (state.at ?? 0)) / 90));
  if (state.at === null) travel(0);
  $("play").textContent = "❚❚";
  $("play").setAttribute("aria-label", "Stop");
  playing = setInterval(() => {
    travel(state.at + by);
    if (state.at === null) stop();
  }, 420);
}

function stop() {
  clearInterval(playing);
  playing = 0;
  $("play").textContent = "▶";
  $("play").setAttribute("aria-label", "Play from here");
}

// The address says what is seen, so that it can be kept, sent on, and gone back to.

function note() {
  const parts = new URLSearchParams();
  if (state.selected) parts.set("id", state.selected);
  if (state.at !== null) parts.set("at", state.at);
  const hash = parts.size ? `#${parts}` : "#";
  if (hash === (location.hash || "#")) return;
  const same = new URLSearchParams(location.hash.slice(1)).get("id") === state.selected;
  history[same ? "replaceState" : "pushState"](null, "", hash);
}

function read() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const at = parts.get("at");
  state.at = at !== null && /^\d+$/.test(at) && Number(at) < state.position ? Number(at) : null;
  slider();
  return select(parts.get("id"), Boolean(parts.get("id")));
}

// Live.

let due = 0;

function onEvents(events) {
  state.position = Math.max(state.position, events.at(-1).position);
  state.events = [...events.slice(-FEED).reverse(), ...state.events].slice(0, FEED);
  state.touched ||= events.some(({ event_type, entity_id, payload }) =>
    entity_id === state.selected || payload.source === state.selected || payload.target === state.selected
    || event_type === "prime.edge.updated" || event_type === "prime.edge.deleted" || event_type === "prime.node.deleted");
  slider();
  if (state.at !== null || due) return;
  due = setTimeout(async () => {
    due = 0;
    await refresh();
    for (const { entity_id } of state.events.slice(0, events.length)) graph.flash(entity_id);
  }, 150);
}

function onState(live) {
  $("live").className = live ? "on" : "off";
  $("live").lastElementChild.textContent = live ? "live" : "reconnecting";
}

// Hands.

const keys = {
  "/": () => $("search").select(),
  "?": () => $("keys").showModal(),
  "[": () => travel((state.at ?? state.position) - 1),
  "]": () => state.at !== null && travel(state.at + 1),
  n: () => travel(null),
  p: play,
  t: turnTheme,
  "+": () => graph.zoom(1.3),
  "=": () => graph.zoom(1.3),
  "-": () => graph.zoom(0.77),
  0: () => graph.fit(),
  Escape: letGo,
};
const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function letGo() {
  if (playing) stop();
  else if (state.selected) select(null);
  else if (state.at !== null) travel(null);
  else if (!state.overview || [...state.drawn.values()].some((wanted) => wanted)) home();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const { target, key } = event;
  if (target.matches("input:not([type=range]), select, textarea")) return;
  const onGraph = target === document.body || $("graph").contains(target);
  if (onGraph && arrows[key]) graph.go(...arrows[key]);
  else if (onGraph && key === "Enter" && state.selected) select(state.selected, true);
  else if (keys[key]) keys[key]();
  else return;
  event.preventDefault();
});

function turnTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("prime-theme", root.dataset.theme);
}

$("time").addEventListener("input", (event) => {
  stop();
  travel(Number(event.target.value));
});
$("back").addEventListener("click", keys["["]);
$("forth").addEventListener("click", keys["]"]);
$("now").addEventListener("click", () => travel(null));
$("play").addEventListener("click", play);
$("theme").addEventListener("click", turnTheme);
$("help").addEventListener("click", keys["?"]);
$("zoom").addEventListener("click", (event) => {
  const factor = Number(event.target.dataset.zoom ?? NaN);
  if (factor) graph.zoom(factor);
  else if (factor === 0) graph.fit();
});
$("home").addEventListener("click", (event) => {
  event.preventDefault();
  home();
});
window.addEventListener("popstate", read);

onKeyMissing((again) => new Promise((given) => {
  $("ask-why").textContent = again ? "That key does not fit. Try another." : "The key is kept for as long as this tab is open.";
  const dialog = $("ask");
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  dialog.addEventListener("close", () => given($("key").value), { once: true });
  dialog.showModal();
}));

async function start() {
  const theme = localStorage.getItem("prime-theme");
  if (theme) document.documentElement.dataset.theme = theme;
  const { paths } = await document_();
  for (const name of ["timeline", "why", "doctor", "recall", "search"]) state.features[name] = `/api/v1/prime/${name}` in paths;
  search.start();
  state.stats = await get("/stats");
  state.position = state.stats.position;
  const latest = await get("/events", { after: Math.max(0, state.position - FEED), limit: FEED });
  state.events = latest.events.reverse();
  follow(state.position, onEvents, onState);
  await read();
}

start().catch((error) => say(error.message, true));
