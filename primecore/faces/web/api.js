// Asks the server: JSON, and the stream of events. Knows no page; who listens gets told of a missing key and of the stream's state.

const API = "/api/v1/prime";
let key = sessionStorage.getItem("prime-key") || "";
let askForKey = null;

export class Refused extends Error {
  constructor(status, error) {
    super(error?.message || `the server answered ${status}`);
    this.status = status;
    this.code = error?.code || "";
    this.hint = error?.hint || "";
  }
}

/** `ask(again)` gives a promise of a key; `again` says that there was one, and it did not fit. */
export function onKeyMissing(ask) {
  let asking = null;
  askForKey = (again) => {
    asking ??= ask(again).then((given) => {
      key = given;
      sessionStorage.setItem("prime-key", key);
      asking = null;
    });
    return asking;
  };
}

async function request(path, options = {}) {
  for (;;) {
    const sent = key;
    const headers = { ...options.headers, ...(sent && { authorization: `Bearer ${sent}` }) };
    const answer = await fetch(path, { ...options, headers, cache: "no-store" });
    if (answer.status !== 401 || !askForKey) return answer;
    if (sent === key) await askForKey(Boolean(sent));
  }
}

async function json(path, options) {
  const answer = await request(path, options);
  const body = await answer.json().catch(() => null);
  if (!answer.ok) throw new Refused(answer.status, body?.error);
  return body;
}

function query(given) {
  const known = Object.entries(given).filter(([, value]) => value !== null && value !== undefined);
  return known.length ? "?" + new URLSearchParams(known) : "";
}

export const segment = (id) => encodeURIComponent(id);

export const get = (path, given = {}, signal = undefined) => json(API + path + query(given), { signal });

export function post(path, given, signal = undefined) {
  const body = JSON.stringify(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null)));
  return json(API + path, { method: "POST", body, headers: { "content-type": "application/json" }, signal });
}

export const document_ = () => json("/openapi.json");

/** Those of these nodes that were live then, and the edges among them. Unlike /nodes/{id}, none there is no error. */
export const among = (ids, at, signal) =>
  ids.length ? post("/subgraph", { ids, depth: 0, limit: ids.length, at }, signal) : Promise.resolve({ nodes: [], edges: [] });

/**
 * Events after `position`, for as long as the page is there; after a break it goes on where it was.
 * Read with fetch, since an EventSource cannot send a key.
 */
export async function follow(position, onEvents, onState) {
  let wait = 500;
  for (;;) {
    try {
      const answer = await request(API + "/events/stream" + query({ after: position }));
      if (!answer.ok) throw new Refused(answer.status);
      onState(true);
      wait = 500;
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        const blocks = (text + value).split("\n\n");
        text = blocks.pop();
        const events = [];
        for (const block of blocks) {
          for (const line of block.split("\n")) {
            if (line.startsWith("id: ")) position = Number(line.slice(4));
            else if (line.startsWith("data: ")) events.push(JSON.parse(line.slice(6)));
          }
        }
        if (events.length) onEvents(events);
      }
    } catch {
      // Whatever broke it, the way on is the same.
    }
    onState(false);
    await new Promise((go) => setTimeout(go, wait));
    wait = Math.min(wait * 2, 10_000);
  }
}
