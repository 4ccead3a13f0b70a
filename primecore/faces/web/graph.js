// Draws nodes and edges as SVG, moves and zooms them, and says what was clicked. Knows no server.

import { hash, step } from "./layout.js";

const SVG = "http://www.w3.org/2000/svg";
const FEW = 28; // so many edges all show their relation
const CROWD = 36; // more nodes than this are drawn smaller
const SIDES = ["below", "above", "right", "left"]; // of its disc where a name may stand, the best first
const calm = matchMedia("(prefers-reduced-motion: reduce)");

function make(name, attributes = {}, parent = null) {
  const element = document.createElementNS(SVG, name);
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
  parent?.append(element);
  return element;
}

export class Graph {
  /** `on` has select(id), expand(id) and clear(). */
  constructor(host, on) {
    this.host = host;
    this.on = on;
    this.nodes = new Map();
    this.links = [];
    this.places = new Map(); // of all that were ever drawn, so that nothing jumps when time goes back and forth
    this.selected = null;
    this.view = { x: 0, y: 0, k: 1 };
    this.follows = true; // the view keeps everything in sight until somebody moves it
    this.heat = 0;
    this.turn = 0;
    this.foot = 0; // pixels at the bottom that something else covers
    this.svg = make("svg", { "aria-hidden": "false" });
    const defs = make("defs", {}, this.svg);
    const marker = make("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 9, markerHeight: 9, markerUnits: "userSpaceOnUse", orient: "auto" }, defs);
    make("path", { d: "M0 0.8 8 4 0 7.2z" }, marker);
    this.world = make("g", {}, this.svg);
    this.edgeLayer = make("g", { class: "edges", "aria-hidden": "true" }, this.world);
    this.nodeLayer = make("g", { class: "nodes" }, this.world);
    host.append(this.svg);
    this.listen();
    new ResizeObserver(() => this.paint()).observe(host);
  }

  /** Draws these nodes ({id, label, type, color, expanded}) and edges ({id, source, target, relation}), and no others. */
  show(nodes, edges) {
    const before = new Set(this.nodes.keys());
    const wanted = new Set(nodes.map((node) => node.id));
    let changed = false;
    for (const id of before) {
      if (wanted.has(id)) continue;
      this.nodes.get(id).element.remove();
      this.nodes.delete(id);
      changed = true;
    }
    const beside = new Map();
    for (const { source, target } of edges) {
      if (!beside.has(source)) beside.set(source, target);
      if (!beside.has(target)) beside.set(target, source);
    }
    for (const node of nodes) {
      let drawn = this.nodes.get(node.id);
      if (!drawn) {
        drawn = { ...this.place(node.id, beside.get(node.id)), id: node.id, vx: 0, vy: 0, held: false, element: this.body(node.id) };
        this.nodes.set(node.id, drawn);
        changed = true;
      }
      Object.assign(drawn, node);
      drawn.degree = 0;
    }
    changed = this.connect(edges) || changed;
    for (const node of this.nodes.values()) this.dress(node);
    this.mark();
    if (changed) this.warm(before.size && before.size * 2 > this.nodes.size ? 0.45 : 1);
    else this.paint();
  }

  place(id, beside) {
    const known = this.places.get(id);
    if (known) return known;
    const near = this.nodes.get(beside) || { x: 0, y: 0 };
    const turn = hash(id) * 2 * Math.PI;
    const far = 50 + 60 * hash(id + "r");
    return { x: near.x + far * Math.cos(turn), y: near.y + far * Math.sin(turn) };
  }

  body(id) {
    const element = make("g", { class: "node", role: "button", "data-id": id }, this.nodeLayer);
    make("circle", { class: "halo" }, element);
    make("circle", { class: "disc" }, element);
    make("text", { class: "more", "aria-hidden": "true", dy: "0.35em" }, element);
    make("text", { class: "label", "aria-hidden": "true" }, element);
    return element;
  }

  connect(edges) {
    const known = new Map(this.links.map((link) => [link.id, link]));
    const between = new Map();
    let changed = false;
    this.links = [];
    for (const edge of edges) {
      const source = this.nodes.get(edge.source);
      const target = this.nodes.get(edge.target);
      if (!source || !target) continue;
      source.degree++;
      target.degree++;
      const pair = edge.source < edge.target ? `${edge.source}\n${edge.target}` : `${edge.target}\n${edge.source}`;
      const nth = between.get(pair) || 0;
      between.set(pair, nth + 1);
      let link = known.get(edge.id);
      if (!link) {
        const element = make("g", { class: "edge" }, this.edgeLayer);
        link = { line: make("path", { "marker-end": "url(#arrow)" }, element), text: make("text", { dy: "-3" }, element), element };
        changed = true;
      }
      known.delete(edge.id);
      Object.assign(link, { id: edge.id, source, target, nth, relation: edge.relation });
      link.text.textContent = edge.relation;
      this.links.push(link);
    }
    for (const gone of known.values()) gone.element.remove();
    this.edgeLayer.classList.toggle("few", this.links.length <= FEW);
    this.edgeLayer.classList.toggle("many", this.links.length > 3 * FEW);
    return changed || known.size > 0;
  }

  dress(node) {
    const radius = this.nodes.size > CROWD ? 6.5 + Math.min(14, 1.9 * Math.sqrt(node.degree)) : 9 + Math.min(15, 2.6 * Math.sqrt(node.degree));
    const [halo, disc, more, label] = node.element.children;
    node.radius = radius;
    node.element.setAttribute("aria-label", `${node.label}, ${node.type}`);
    node.element.setAttribute("class", `node c${node.color}${node.expanded ? "" : " closed"}`);
    halo.setAttribute("r", radius + 6);
    disc.setAttribute("r", radius);
    more.textContent = node.more ? "+" : "";
    label.textContent = node.label.length > 22 ? `${node.label.slice(0, 21).trimEnd()}…` : node.label;
  }

  select(id) {
    this.selected = id;
    this.mark();
    const node = this.nodes.get(id);
    if (node) this.reveal(node);
  }

  /** Lights up what an event has just changed. */
  flash(id) {
    const element = this.nodes.get(id)?.element;
    element?.classList.add("fresh");
    setTimeout(() => element?.classList.remove("fresh"), 1600);
  }

  mark() {
    const near = new Set();
    for (const link of this.links) {
      const touches = link.source.id === this.selected || link.target.id === this.selected;
      link.element.classList.toggle("near", touches);
      if (touches) near.add(link.source.id).add(link.target.id);
    }
    const chosen = this.nodes.has(this.selected);
    this.svg.classList.toggle("crowded", near.size > FEW / 2);
    this.svg.classList.toggle("choosing", chosen);
    for (const node of this.nodes.values()) {
      if (node.id === this.selected) this.nodeLayer.append(node.element); // above all others
      node.element.classList.toggle("selected", node.id === this.selected);
      node.element.classList.toggle("near", near.has(node.id));
      node.element.setAttribute("aria-pressed", String(node.id === this.selected));
    }
  }

  /** Selects the node that lies that way (dx, dy) from the selected one. */
  go(dx, dy) {
    const from = this.nodes.get(this.selected);
    let best = null;
    let least = Infinity;
    for (const node of this.nodes.values()) {
      if (node === from) continue;
      const x = node.x - (from?.x ?? 0);
      const y = node.y - (from?.y ?? 0);
      const along = x * dx + y * dy;
      const aside = Math.abs(x * dy) + Math.abs(y * dx);
      const cost = from ? along + 2 * aside : x * x + y * y;
      if ((from && along <= 4) || cost >= least) continue;
      [best, least] = [node, cost];
    }
    if (best) this.on.select(best.id);
  }

  // Motion.

  warm(heat) {
    this.heat = Math.max(this.heat, heat);
    if (calm.matches) {
      while (this.heat > 0.02) this.tick();
      this.paint();
    } else if (!this.running) {
      this.running = true;
      // The first steps are the wildest, and nothing to look at.
      for (let at = 0; at < 40 && heat === 1; at++) this.tick();
      requestAnimationFrame(() => this.frame());
    }
  }

  tick() {
    const { clientWidth: width, clientHeight: height } = this.host;
    step([...this.nodes.values()], this.links, this.heat, width && height ? width / height : 1);
    this.heat *= 0.985;
  }

  frame() {
    const until = performance.now() + 7;
    do this.tick();
    while (performance.now() < until && this.heat > 0.02 && this.nodes.size < 150);
    this.paint();
    this.running = this.heat > 0.02;
    if (this.running) requestAnimationFrame(() => this.frame());
  }

  paint() {
    if (this.follows) this.aim();
    const { x, y, k } = this.view;
    this.world.setAttribute("transform", `translate(${x} ${y}) scale(${k})`);
    for (const node of this.nodes.values()) {
      this.places.set(node.id, { x: node.x, y: node.y });
      node.element.setAttribute("transform", `translate(${node.x.toFixed(1)} ${node.y.toFixed(1)})`);
    }
    for (const link of this.links) this.draw(link);
    // Words keep their size on the screen when everything shrinks.
    const unit = 1 / Math.min(1, k);
    this.svg.style.setProperty("--unit", unit.toFixed(3));
    // Names settle when the nodes do, and follow them in steps until then.
    if (this.heat <= 0.02 || this.turn++ % 6 === 0) this.placeNames(12 * unit);
  }

  /** Puts names where they cover neither discs nor each other; those of the least connected nodes may find no place. */
  placeNames(size) {
    const rank = (node) => (node.id === this.selected ? 1e6 : 0) + node.degree;
    const nodes = [...this.nodes.values()].sort((a, b) => rank(b) - rank(a));
    const taken = nodes.map(({ x, y, radius }) => [x - radius, y - radius, x + radius, y + radius]);
    const words = []; // of edges
    const crowded = this.svg.classList.contains("crowded");
    for (const { source, target, relation, middle } of this.links) {
      const near = !crowded && (source.id === this.selected || target.id === this.selected);
      if (!middle || (!near && this.links.length > FEW)) continue;
      // Along the edge, so that a slanting word takes no more room than it needs.
      const [x, y, dx, dy] = middle;
      for (let at = -1; at <= 1; at += 0.5) {
        const [cx, cy] = [x + at * dx * relation.length * 2.6, y + at * dy * relation.length * 2.6];
        words.push([cx - 6, cy - 8, cx + 6, cy + 6]);
      }
    }
    const { x: left, y: top, k } = this.view;
    const { clientWidth: width, clientHeight: height } = this.host;
    const seen = this.follows ? [-left / k, -top / k, (width - left) / k, (height - top - this.foot - 10) / k] : null;
    for (const node of nodes) {
      const label = node.element.lastChild;
      if (node.measured === label.textContent) continue;
      node.measured = label.textContent;
      node.length = label.getComputedTextLength() / size;
    }
    for (const node of nodes) {
      const { x, y, radius } = node;
      const length = node.length * size * (node.id === this.selected ? 1.1 : 1) + 6;
      const boxes = {
        below: [x - length / 2, y + radius + 1, x + length / 2, y + radius + 1 + size * 1.25],
        above: [x - length / 2, y - radius - 1 - size * 1.25, x + length / 2, y - radius - 1],
        right: [x + radius + 2, y - size * 0.65, x + radius + 2 + length, y + size * 0.65],
        left: [x - radius - 2 - length, y - size * 0.65, x - radius - 2, y + size * 0.65],
      };
      const clear = (side) => (!seen || within(boxes[side], seen)) && taken.every((it) => apart(it, boxes[side]));
      const free = (side) => clear(side) && words.every((it) => apart(it, boxes[side]));
      // Where it stood before comes first: what jumps cannot be read.
      let side = node.side && free(node.side) ? node.side : SIDES.find(free);
      if (!side && node.id === this.selected) side = SIDES.find(clear) ?? "below";
      node.element.classList.toggle("mute", !side);
      node.side = side;
      side ??= "below"; // where it shows when pointed at
      taken.push(...(node.element.classList.contains("mute") ? [] : [boxes[side]]));
      const label = node.element.lastChild;
      const aside = side === "right" ? radius + 5 : side === "left" ? -radius - 5 : 0;
      const down = { below: radius + 2 + size * 0.95, above: -radius - 2 - size * 0.3 }[side] ?? size * 0.35;
      label.setAttribute("x", aside.toFixed(1));
      label.setAttribute("y", down.toFixed(1));
      label.setAttribute("text-anchor", { right: "start", left: "end" }[side] ?? "middle");
    }
  }

  draw(link) {
    const { source, target, nth, line, text } = link;
    if (source === target) {
      const r = source.radius;
      line.setAttribute("d", `M${source.x - r * 0.6} ${source.y - r * 0.8}c-18 -34 ${r * 1.2 + 36} -34 ${r * 1.2} 0`);
      text.setAttribute("transform", `translate(${source.x} ${source.y - r - 24})`);
      return;
    }
    const dx = target.x - source.x;
    const dy = target.y - source.y;
    const length = Math.hypot(dx, dy) || 1;
    // Edges between the same two nodes fan out.
    const bend = (nth % 2 ? 1 : -1) * Math.ceil(nth / 2) * 26 * (source.id < target.id ? 1 : -1);
    const mx = (source.x + target.x) / 2 - (dy / length) * bend;
    const my = (source.y + target.y) / 2 + (dx / length) * bend;
    const [x1, y1] = shorten(source, mx, my, source.radius + 1);
    const [x2, y2] = shorten(target, mx, my, target.radius + 3);
    line.setAttribute("d", `M${x1} ${y1}Q${mx.toFixed(1)} ${my.toFixed(1)} ${x2} ${y2}`);
    let turn = (Math.atan2(dy, dx) * 180) / Math.PI;
    if (turn > 90 || turn < -90) turn += 180;
    const tx = (source.x + target.x + 2 * mx) / 4;
    const ty = (source.y + target.y + 2 * my) / 4;
    text.setAttribute("transform", `translate(${tx.toFixed(1)} ${ty.toFixed(1)}) rotate(${turn.toFixed(1)})`);
    link.middle = [tx, ty, dx / length, dy / length];
  }

  // The view.

  fit() {
    this.follows = true;
    this.paint();
  }

  aim() {
    const { clientWidth: width, clientHeight: height } = this.host;
    if (!this.nodes.size || !width) {
      this.view = { x: width / 2, y: height / 2, k: 1 };
      return;
    }
    let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
    for (const { x, y } of this.nodes.values()) {
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y);
    }
    // Room for names, for the legend above, and for what is said below.
    const aside = Math.min(90, width * 0.14);
    const [head, foot] = [58, Math.max(46, this.foot + 52)];
    const k = Math.min(1.3, (width - 2 * aside) / (right - left || 1), (height - head - foot) / (bottom - top || 1));
    const scale = Math.max(0.15, k);
    const middle = head + (height - head - foot) / 2;
    this.view = { k: scale, x: width / 2 - ((left + right) / 2) * scale, y: middle - ((top + bottom) / 2) * scale };
  }

  zoom(factor, cx = this.host.clientWidth / 2, cy = this.host.clientHeight / 2) {
    const { x, y, k } = this.view;
    const to = Math.max(0.1, Math.min(6, k * factor));
    this.view = { k: to, x: cx - ((cx - x) * to) / k, y: cy - ((cy - y) * to) / k };
    this.follows = false;
    this.paint();
  }

  reveal({ x, y }) {
    if (this.follows) return;
    const sx = this.view.x + x * this.view.k;
    const sy = this.view.y + y * this.view.k;
    const { clientWidth: width, clientHeight: height } = this.host;
    if (sx > 40 && sx < width - 40 && sy > 40 && sy < height - 40) return;
    this.view.x += width / 2 - sx;
    this.view.y += height / 2 - sy;
    this.paint();
  }

  listen() {
    let held = null;
    this.svg.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      const id = event.target.closest(".node")?.dataset.id;
      held = { node: this.nodes.get(id), x: event.clientX, y: event.clientY, moved: false };
      this.svg.setPointerCapture(event.pointerId);
      this.host.focus({ preventScroll: true });
    });
    this.svg.addEventListener("pointermove", (event) => {
      if (!held) return;
      const dx = event.clientX - held.x;
      const dy = event.clientY - held.y;
      if (!held.moved && Math.hypot(dx, dy) < 4) return;
      Object.assign(held, { moved: true, x: event.clientX, y: event.clientY });
      if (held.node) {
        held.node.held = true;
        held.node.x += dx / this.view.k;
        held.node.y += dy / this.view.k;
        this.warm(0.15);
      } else {
        this.view.x += dx;
        this.view.y += dy;
      }
      this.follows = false;
      this.paint();
    });
    this.svg.addEventListener("pointerup", () => {
      const { node, moved } = held || {};
      held = null;
      if (node) node.held = false;
      if (moved) return;
      if (node) this.on.expand(node.id);
      else this.on.clear();
    });
    // A name that is only shown when pointed at must not lie below other discs.
    this.svg.addEventListener("pointerover", (event) => {
      const element = event.target.closest(".node");
      if (!held && element && element !== this.nodeLayer.lastChild) this.nodeLayer.append(element);
    });
    this.svg.addEventListener("pointercancel", () => {
      if (held?.node) held.node.held = false;
      held = null;
    });
    // What assistive technology presses.
    this.svg.addEventListener("click", (event) => {
      if (event.detail === 0) this.on.expand(event.target.closest(".node")?.dataset.id);
    });
    this.host.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        const box = this.host.getBoundingClientRect();
        this.zoom(Math.exp(-event.deltaY * 0.0015), event.clientX - box.left, event.clientY - box.top);
      },
      { passive: false },
    );
  }
}

const within = (a, b) => a[0] >= b[0] && a[1] >= b[1] && a[2] <= b[2] && a[3] <= b[3];
const apart = (a, b) => b[2] < a[0] || b[0] > a[2] || b[3] < a[1] || b[1] > a[3];

function shorten(node, x, y, by) {
  const length = Math.hypot(x - node.x, y - node.y) || 1;
  return [(node.x + ((x - node.x) * by) / length).toFixed(1), (node.y + ((y - node.y) * by) / length).toFixed(1)];
}
