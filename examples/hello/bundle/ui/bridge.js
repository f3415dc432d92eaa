// The page's half of the bridge to the appliance.
//
// The page lives in a sandboxed frame without an origin, cookies or a network.
// Messages to the window around it are the only way out:
// `{ alga: true, version: "1", type, request_id, payload }`.

const TIMEOUT_MS = 15_000;

// The appliance says in the address who it is; messages then go to nobody else.
const host = new URLSearchParams(location.search).get("parentOrigin") ?? "*";
const waiting = new Map();
const listeners = new Map();
let calls = 0;

export const isFramed = window.parent !== window;

function send(type, payload, request_id) {
  window.parent.postMessage({ alga: true, version: "1", type, request_id, payload }, host);
}

window.addEventListener("message", (event) => {
  const message = event.data;
  if (event.source !== window.parent || message?.alga !== true || message.version !== "1") return;
  if (host !== "*" && event.origin !== host) return;
  if (message.type === "apiproxy_response") {
    waiting.get(message.request_id)?.(message.payload ?? {});
  } else {
    listeners.get(message.type)?.(message.payload ?? {});
  }
});

/** Calls `listener(payload)` for every message of this type. */
export function on(type, listener) {
  listeners.set(type, listener);
}

/** Tells the host that the page can be shown. */
export function ready() {
  send("ready", {});
}

/** Asks the host to make the frame this many pixels high. */
export function resize(height) {
  send("resize", { height });
}

/** Calls an endpoint of this extension; resolves to the parsed JSON of its answer. */
export async function call(method, route, body) {
  const payload = { route, method };
  if (body !== undefined) payload.body = toBase64(JSON.stringify(body));
  const answer = await request(payload);
  if (answer.error !== undefined) throw new Error(answer.error);
  const text = fromBase64(answer.body ?? "");
  return text === "" ? null : JSON.parse(text);
}

function request(payload) {
  // After a reload the numbers start again, and the answer to an old call may still come.
  const id = `${performance.timeOrigin}-${++calls}`;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      waiting.delete(id);
      reject(new Error(`There was no answer within ${TIMEOUT_MS / 1000} seconds.`));
    }, TIMEOUT_MS);
    waiting.set(id, (answer) => {
      clearTimeout(timer);
      waiting.delete(id);
      resolve(answer);
    });
    send("apiproxy", payload, id);
  });
}

/** Puts the host's colors, `{ "--alga-…": value }`, on the page. */
export function applyTheme(tokens) {
  for (const [name, value] of Object.entries(tokens ?? {})) {
    if (name.startsWith("--")) document.documentElement.style.setProperty(name, value);
  }
}

function toBase64(text) {
  const bytes = new TextEncoder().encode(text);
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

function fromBase64(text) {
  return new TextDecoder().decode(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)));
}
