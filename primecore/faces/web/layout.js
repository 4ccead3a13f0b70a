// Where nodes go: springs along edges, repulsion between all, a pull to the middle. Knows numbers only, no page.
// A few hundred nodes at most are drawn, so every pair is looked at: no tree is worth it.

const SPRING = 140; // length of an edge at rest, pixels
const REPULSION = 9500;
const NEAR = 60; // closer than this, labels overlap
const PULL = 0.018;

/** A number in [0, 1) that is always the same for a text. */
export function hash(text) {
  let value = 2166136261;
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 16777619);
  return (value >>> 0) / 4294967296;
}

/** Nodes that hang together, each group as an array. */
function groups(nodes, links) {
  const above = new Map(nodes.map((node) => [node, node]));
  const top = (node) => {
    while (above.get(node) !== node) {
      above.set(node, above.get(above.get(node)));
      node = above.get(node);
    }
    return node;
  };
  for (const { source, target } of links) above.set(top(source), top(target));
  const found = new Map();
  for (const node of nodes) {
    const first = top(node);
    if (found.has(first)) found.get(first).push(node);
    else found.set(first, [node]);
  }
  return [...found.values()];
}

/** Moves groups that overlap away from each other: what has no edge between it is not drawn through each other. */
function part(nodes, links, heat) {
  const found = groups(nodes, links).map((members) => {
    const x = members.reduce((sum, node) => sum + node.x, 0) / members.length;
    const y = members.reduce((sum, node) => sum + node.y, 0) / members.length;
    const reach = Math.max(...members.map((node) => Math.hypot(node.x - x, node.y - y)));
    return { members, x, y, reach };
  });
  for (let i = 0; i < found.length; i++) {
    for (let j = i + 1; j < found.length; j++) {
      const [a, b] = [found[i], found[j]];
      const dx = b.x - a.x || hash(a.members[0].id) - 0.5;
      const dy = b.y - a.y || hash(b.members[0].id) - 0.5;
      const distance = Math.hypot(dx, dy) || 1;
      const overlap = a.reach + b.reach + NEAR - distance;
      if (overlap <= 0) continue;
      const share = b.members.length / (a.members.length + b.members.length);
      const push = (overlap * 0.4 * heat) / distance;
      for (const node of a.members) [node.vx, node.vy] = [node.vx - dx * push * share, node.vy - dy * push * share];
      for (const node of b.members) [node.vx, node.vy] = [node.vx + dx * push * (1 - share), node.vy + dy * push * (1 - share)];
    }
  }
}

/**
 * One step. `nodes` have x, y, vx, vy, degree, held; `links` have source and target, which are nodes. `wide` is how much
 * wider than high the place is that they are drawn in.
 */
export function step(nodes, links, heat, wide = 1.6) {
  const flat = Math.max(0.6, Math.min(1.7, wide));
  const [pullX, pullY] = [PULL * Math.max(1, 1 / flat), PULL * Math.max(1, flat)];
  const room = 1 + nodes.length / 160; // the more there are, the wider apart
  for (let i = 0; i < nodes.length; i++) {
    const a = nodes[i];
    for (let j = i + 1; j < nodes.length; j++) {
      const b = nodes[j];
      let dx = b.x - a.x;
      let dy = b.y - a.y;
      let square = dx * dx + dy * dy;
      if (square < 1) {
        dx = hash(a.id) - 0.5;
        dy = hash(b.id) - 0.5;
        square = 1;
      }
      const distance = Math.sqrt(square);
      let force = ((REPULSION * room) / Math.max(square, 120)) * heat;
      if (distance < NEAR) force += (NEAR - distance) * 0.25 * heat;
      const fx = (dx / distance) * force;
      const fy = (dy / distance) * force;
      a.vx -= fx;
      a.vy -= fy;
      b.vx += fx;
      b.vy += fy;
    }
  }
  for (const { source, target } of links) {
    const dx = target.x - source.x;
    const dy = target.y - source.y;
    const distance = Math.hypot(dx, dy) || 1;
    const least = Math.min(source.degree, target.degree) || 1;
    // The leaves of a hub need room around it.
    const rest = SPRING * room + 9 * Math.sqrt(Math.max(source.degree, target.degree));
    const force = (((distance - rest) / distance) * heat * 0.7) / least;
    const share = source.degree / (source.degree + target.degree || 1);
    target.vx -= dx * force * share;
    target.vy -= dy * force * share;
    source.vx += dx * force * (1 - share);
    source.vy += dy * force * (1 - share);
  }
  part(nodes, links, heat);
  for (const node of nodes) {
    node.vx = (node.vx - node.x * pullX * heat) * 0.6;
    node.vy = (node.vy - node.y * pullY * heat) * 0.6;
    if (node.held) continue;
    node.x += Math.max(-30, Math.min(30, node.vx));
    node.y += Math.max(-30, Math.min(30, node.vy));
  }
}
