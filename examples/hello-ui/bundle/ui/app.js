// The page of `com.example.hello-ui`: shows what comes over the bridge.
//
// Every message is `{ alga: true, version: "1", type, request_id, payload }`.

const LONGEST_LIST = 20;
const LONGEST_LINE = 200;

// The appliance says in the address who it is; messages then go to nobody else.
const host = new URLSearchParams(location.search).get("parentOrigin") ?? "*";
const element = (id) => document.getElementById(id);
let lastHeight = 0;

function send(type, payload) {
  window.parent.postMessage({ alga: true, version: "1", type, payload }, host);
  list("page", type, payload);
}

window.addEventListener("message", (event) => {
  const message = event.data;
  if (event.source !== window.parent || message?.alga !== true || message.version !== "1") return;
  if (host !== "*" && event.origin !== host) return;
  list("host", message.type, message.payload);
  if (message.type === "theme") showColors(message.payload);
  if (message.type === "bootstrap" || message.type === "theme_tokens") {
    showColors(message.payload?.theme_tokens);
  }
});

// Uses the host's colors and shows each of them.
function showColors(tokens) {
  const named = Object.entries(tokens ?? {}).filter(([name]) => name.startsWith("--"));
  for (const [name, value] of named) document.documentElement.style.setProperty(name, value);
  const colors = named.filter(([, value]) => CSS.supports("color", value));
  element("no-colors").hidden = colors.length > 0;
  element("colors").replaceChildren(...colors.map(([name]) => swatch(name)));
}

function swatch(name) {
  const patch = document.createElement("span");
  patch.className = "swatch";
  patch.style.background = `var(${name})`;
  return item(patch, text("code", "", name));
}

// Newest first; the oldest ones fall off the end.
function list(sender, type, payload) {
  const messages = element("messages");
  const whole = JSON.stringify(payload) ?? "";
  const more = whole.length - LONGEST_LINE;
  const line = more > 0 ? `${whole.slice(0, LONGEST_LINE)}… and ${more} more characters` : whole;
  messages.prepend(
    item(
      text("span", "direction", sender === "page" ? "page →" : "host →"),
      text("span", "type", type),
      text("span", "payload", line),
    ),
  );
  while (messages.children.length > LONGEST_LIST) messages.lastChild.remove();
}

function item(...children) {
  const entry = document.createElement("li");
  entry.append(...children);
  return entry;
}

function text(tag, className, content) {
  const created = document.createElement(tag);
  created.className = className;
  created.textContent = content;
  return created;
}

// Asks for the height the content needs. A line in the list would make the page
// higher again, so this message gets none.
function fit() {
  const height = Math.ceil(document.querySelector("main").getBoundingClientRect().height);
  if (height === lastHeight) return;
  lastHeight = height;
  window.parent.postMessage({ alga: true, version: "1", type: "resize", payload: { height } }, host);
}

if (window.parent === window) {
  element("alone").hidden = false;
  element("ask").disabled = true;
} else {
  element("ask").addEventListener("click", () => send("ready", {}));
  new ResizeObserver(fit).observe(document.querySelector("main"));
  send("ready", {});
}
