// Relays between an extension's page in the frame and the gateway.
//
// The frame is sandboxed: its origin is opaque ("null"), so it is recognized by
// its window and answered with the target origin "*". For the same reason no
// message ever holds a credential: the session token sent is the empty string.
"use strict";

(() => {
  const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"];
  const MAX_ROUTE = 8192;
  const MAX_BODY_BYTES = 1024 * 1024;
  const CALLS_PER_SECOND = 20;
  const TIMEOUT_MS = 15_000;
  const LOADING_NOTE_MS = 1500;

  // This script runs before the frame is there, so that no message is missed.
  let frame, base, path;
  const found = () => {
    if (frame) return true;
    frame = document.getElementById("extension-frame");
    if (!frame) return false;
    base = `/api/ext-proxy/${encodeURIComponent(frame.dataset.extensionId)}`;
    path = new URL(frame.src).searchParams.get("path") ?? "/";
    return true;
  };

  const send = (type, payload, requestId) => {
    const message = { alga: true, version: "1", type, payload };
    if (requestId !== undefined) message.request_id = requestId;
    frame.contentWindow?.postMessage(message, "*");
  };

  // Extension pages know the tokens of the host they were written for.
  const TOKENS = {
    bg: "--page",
    "card-bg": "--raised",
    muted: "--soft",
    fg: "--text",
    "muted-fg": "--muted",
    border: "--line",
    "border-light": "--line-soft",
    primary: "--accent",
    "primary-foreground": "--on-accent",
    "primary-light": "--accent-soft",
    "primary-soft": "--accent-soft",
    "primary-soft-fg": "--accent",
    "primary-border": "--accent",
    secondary: "--soft",
    "secondary-foreground": "--text",
    accent: "--accent",
    "accent-foreground": "--on-accent",
    danger: "--danger",
    success: "--good",
    warning: "--attention",
    "row-even": "--raised",
    "row-odd": "--page",
    "row-hover": "--soft",
    ring: "--accent",
  };

  // A custom property that depends on the theme has no value of its own to
  // read; the color of an element has.
  const theme = () => {
    const probe = document.createElement("span");
    probe.hidden = true;
    document.body.append(probe);
    const tokens = { "--alga-radius": "6px" };
    for (const [name, ours] of Object.entries(TOKENS)) {
      probe.style.color = `var(${ours})`;
      tokens[`--alga-${name}`] = getComputedStyle(probe).color;
    }
    probe.remove();
    return tokens;
  };

  const sendBootstrap = (tokens) =>
    send("bootstrap", {
      session: { token: "", expires_at: null },
      theme_tokens: tokens,
      navigation: { path },
    });

  const greet = () => {
    const tokens = theme();
    sendBootstrap(tokens);
    send("theme", tokens);
  };

  const themeChanged = () => {
    if (!found()) return;
    const tokens = theme();
    send("theme", tokens);
    send("theme_tokens", { theme_tokens: tokens });
    sendBootstrap(tokens);
  };

  let calls = [];
  const tooOften = () => {
    const now = performance.now();
    calls = calls.filter((time) => now - time < 1000);
    if (calls.length >= CALLS_PER_SECOND) return true;
    calls.push(now);
    return false;
  };

  // The only door to the admin origin that a frame has: what comes out of here
  // is below the extension's own prefix, or nothing.
  const address = (route) => {
    if (typeof route !== "string" || route.length > MAX_ROUTE) throw new Error("Bad route");
    // URL parsing drops tabs and line ends and turns `\` into `/`.
    if (/[\u0000-\u001f\u007f]/.test(route)) throw new Error("Bad route");
    const [routePath] = route.split(/[?#]/, 1);
    if (/\\|%2e|%2f|%5c/i.test(routePath)) throw new Error("Bad route");
    const url = new URL(base + (route.startsWith("/") ? route : `/${route}`), location.origin);
    if (url.origin !== location.origin || !url.pathname.startsWith(`${base}/`)) {
      throw new Error("Bad route");
    }
    return url;
  };

  const decode = (text) => {
    if (typeof text !== "string") throw new Error("The body is base64 text");
    const tooLong = "The body is over 1 MiB";
    // What is far too long is not even decoded.
    if (text.length > Math.ceil(MAX_BODY_BYTES / 3) * 4) throw new Error(tooLong);
    const bytes = decoded(text);
    if (bytes.length > MAX_BODY_BYTES) throw new Error(tooLong);
    return bytes;
  };

  const decoded = (text) => {
    try {
      return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    } catch {
      throw new Error("The body is no base64 text");
    }
  };

  const encode = (bytes) => {
    const parts = [];
    // As arguments of one call, so not too many at once.
    for (let at = 0; at < bytes.length; at += 0x8000) {
      parts.push(String.fromCharCode(...bytes.subarray(at, at + 0x8000)));
    }
    return btoa(parts.join(""));
  };

  const call = async ({ route, method = "POST", body }) => {
    if (!METHODS.includes(method)) throw new Error("Bad method");
    const url = address(route);
    const options = {
      method,
      headers: {},
      credentials: "same-origin",
      cache: "no-store",
      // Followed, a redirect could lead out of the extension's prefix.
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    };
    if (method !== "GET") {
      options.headers["x-csrf-token"] = document.querySelector('meta[name="csrf-token"]').content;
      if (body !== undefined && body !== null) {
        options.headers["content-type"] = "application/octet-stream";
        options.body = decode(body);
      }
    }
    const response = await fetch(url, options);
    if (response.type === "opaqueredirect") throw new Error("Proxy error: redirects are not followed");
    if (!response.ok) throw new Error(`Proxy error ${response.status}: ${response.statusText}`);
    return encode(new Uint8Array(await response.arrayBuffer()));
  };

  const proxy = async (payload, requestId) => {
    if (typeof requestId !== "string" || requestId.length > 128) return;
    try {
      if (tooOften()) throw new Error(`More than ${CALLS_PER_SECOND} calls in a second`);
      send("apiproxy_response", { body: await call(payload) }, requestId);
    } catch (error) {
      const message = error.name === "TimeoutError" ? "No answer in 15 s" : error.message;
      send("apiproxy_response", { error: message }, requestId);
    }
  };

  const navigate = (target) => {
    if (typeof target !== "string" || !target.startsWith("/") || target.length > MAX_ROUTE) return;
    // A page that asks for the place where it is would load for ever.
    if (target === path || tooOften()) return;
    path = target;
    const src = new URL(frame.src);
    src.searchParams.set("path", path);
    frame.src = src.href;
  };

  const say = (text) => {
    document.querySelector("[data-frame-state]").textContent = text;
  };

  addEventListener("message", ({ source, data }) => {
    if (!found() || source !== frame.contentWindow) return;
    if (data?.alga !== true || data.version !== "1") return;
    const payload = typeof data.payload === "object" && data.payload ? data.payload : {};
    switch (data.type) {
      case "ready":
        say("");
        greet();
        break;
      case "resize":
        if (Number.isFinite(payload.height)) {
          const height = Math.min(4000, Math.max(100, Math.floor(payload.height)));
          frame.style.height = `${height}px`;
        }
        break;
      case "navigate":
        navigate(payload.path);
        break;
      case "apiproxy":
        proxy(payload, data.request_id);
        break;
    }
  });

  // Load events do not bubble, but they are captured on their way down.
  const frameLoaded = (event) => {
    if (!found() || event.target !== frame) return;
    greet();
    setTimeout(say, LOADING_NOTE_MS, "");
  };
  document.addEventListener("load", frameLoaded, true);
  document.addEventListener("DOMContentLoaded", () => found() && say("Loading"));

  new MutationObserver(themeChanged).observe(document.documentElement, {
    attributeFilter: ["data-theme"],
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", themeChanged);
})();
