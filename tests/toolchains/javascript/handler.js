// The handler of the toolchain tests, for every tool that compiles JavaScript.
//
// Built with the whole of wit/extension, as existing extensions are: it imports
// every interface, and tells what the ones without a grant answer.

import { listClients } from "alga:extension/clients";
import { getContext } from "alga:extension/context";
import { fetch as fetchFrom } from "alga:extension/http";
import { createManualInvoice } from "alga:extension/invoicing";
import { logInfo } from "alga:extension/logging";
import { listSchedules } from "alga:extension/scheduler";
import { get as getSecret } from "alga:extension/secrets";
import { getService } from "alga:extension/services";
import { get as getValue } from "alga:extension/storage";
import { callRoute } from "alga:extension/ui-proxy";
import { getUser } from "alga:extension/user";
import { getUser as getUserV2 } from "alga:extension/user-v2";

const endpoints = {
  "GET /greeting": greeting,
  "POST /echo": echo,
  "GET /refusals": refusals,
  "GET /surroundings": surroundings,
  "GET /later": later,
};

export function handler({ http }) {
  const [path] = http.url.split("?", 1);
  const endpoint = endpoints[`${http.method} ${path}`];
  if (!endpoint) {
    return { status: 404, headers: [], body: undefined };
  }
  const answer = endpoint(http);
  return answer instanceof Promise ? answer.then(respond) : respond(answer);
}

function respond(answer) {
  const headers = [{ name: "content-type", value: "application/json" }];
  return { status: 200, headers, body: toBytes(JSON.stringify(answer)) };
}

function greeting({ url }) {
  const [, name = "nobody"] = /[?&]name=([^&]*)/.exec(url) ?? [];
  logInfo(`greets ${name}`);
  return { greeting: `Hello, ${decodeURIComponent(name)}`, extension: getContext().extensionId };
}

function echo({ body }) {
  return { echo: JSON.parse(toText(body ?? new Uint8Array())) };
}

// What each host function says to an install that may not use it.
function refusals() {
  const request = { method: "GET", url: "https://example.com/", headers: [], body: undefined };
  const invoice = { clientId: "c", items: [] };
  return {
    secrets: refusal(() => getSecret("key")),
    http: refusal(() => fetchFrom(request)),
    storage: refusal(() => getValue("space", "key")),
    "ui-proxy": refusal(() => callRoute("/route", undefined)),
    user: refusal(() => getUser()),
    "user-v2": refusal(() => getUserV2()),
    scheduler: refusal(() => listSchedules()),
    invoicing: createManualInvoice(invoice).success,
    clients: refusal(() => listClients({})),
    services: refusal(() => getService("s")),
  };
}

// The `err` of a WIT result is thrown, with the case as its payload.
function refusal(call) {
  try {
    call();
    return "nothing";
  } catch (error) {
    return error.payload ?? String(error);
  }
}

// What the engine takes from WASI, where it was built with it.
function surroundings() {
  if (!globalThis.setTimeout) {
    // QuickJS has no console, no timers, and draws its seed at the build.
    return { milliseconds: Date.now() };
  }
  console.log("says something");
  return slept();
}

async function slept() {
  const started = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 10));
  const slept = performance.now() - started >= 9;
  return { random: Math.random(), milliseconds: Date.now(), slept };
}

// As an `async` handler answers: componentize-js waits for the promise within the call,
// componentize-qjs with `--sync` does not.
async function later() {
  const answer = await Promise.resolve("later");
  return { answer };
}

// QuickJS has neither of the two encoders.
function toText(bytes) {
  if (globalThis.TextDecoder) {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  }
  return decodeURIComponent(Array.from(bytes, escaped).join(""));
}

function escaped(byte) {
  return `%${byte.toString(16).padStart(2, "0")}`;
}

function toBytes(text) {
  if (globalThis.TextEncoder) {
    return new TextEncoder().encode(text);
  }
  // One character for each byte of UTF-8.
  const encoded = unescape(encodeURIComponent(text));
  const bytes = new Uint8Array(encoded.length);
  for (let at = 0; at < encoded.length; at++) {
    bytes[at] = encoded.charCodeAt(at);
  }
  return bytes;
}
