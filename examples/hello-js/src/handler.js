// The endpoints of `com.example.hello-js`.
//
// The appliance calls `handler` once per request, in a fresh instance: nothing
// kept in a variable is there the next time.

import { jsonResponse } from "@alga-psa/extension-runtime";
import { getContext } from "alga:extension/context";
import { logError, logInfo } from "alga:extension/logging";
import { getUser } from "alga:extension/user-v2";

const LONGEST_NAME = 100;

const endpoints = {
  "GET /greeting": greeting,
  "POST /echo": echo,
  "GET /user": user,
  "GET /health": () => jsonResponse({ status: "ok" }),
};

export function handler({ http }) {
  try {
    const [path] = http.url.split("?", 1);
    const endpoint = endpoints[`${http.method} ${path}`];
    return endpoint ? endpoint(http) : refuse(404, "not_found", "There is no such endpoint.");
  } catch (error) {
    // An exception that leaves the handler ends it without a word to the caller.
    logError(`${error.message}\n${error.stack}`);
    return refuse(500, "failed", "The handler failed; its log says why.");
  }
}

function greeting({ url }) {
  const query = new URLSearchParams(url.split("?")[1]);
  const name = query.get("name") || "world";
  if (name.length > LONGEST_NAME) {
    return refuse(400, "name_too_long", `A name may be at most ${LONGEST_NAME} characters long.`);
  }
  const { tenantId, extensionId, requestId } = getContext();
  logInfo("made a greeting");
  return jsonResponse({
    greeting: `Hello, ${name}`,
    tenant: tenantId,
    extension: extensionId,
    request_id: requestId ?? null,
  });
}

// What of the request reached the handler.
function echo({ method, url, headers, body }) {
  const seen = { method, url, headers: headers.map(({ name, value }) => ({ name, value })) };
  const sent = body ?? new Uint8Array();
  try {
    seen.body = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(sent);
  } catch {
    seen.body_base64 = btoa(Array.from(sent, (byte) => String.fromCharCode(byte)).join(""));
  }
  return jsonResponse(seen);
}

// Who is asking, if the appliance knows and the install allows it.
function user() {
  try {
    const { userId, userName, userEmail, userType } = getUser();
    return jsonResponse({ id: userId, name: userName, email: userEmail, type: userType });
  } catch (error) {
    // The `err` of a WIT result is thrown, with the case as its payload.
    if (error.payload === "not-allowed") {
      return refuse(403, "not_allowed", "This install may not read who is asking.");
    }
    if (error.payload === "not-available") {
      return refuse(404, "not_available", "Nobody is signed in for this request.");
    }
    throw error;
  }
}

function refuse(status, error, message) {
  return jsonResponse({ error, message }, { status });
}
