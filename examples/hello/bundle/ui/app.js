// The page of `com.example.hello`: asks its handler for a greeting and shows it.

import { applyTheme, call, isFramed, on, ready, resize } from "./bridge.js";

const element = (id) => document.getElementById(id);
const page = document.querySelector("main");

async function greet(name) {
  setBusy(true);
  const started = performance.now();
  try {
    const answer = await call("GET", `/greeting?${new URLSearchParams({ name })}`);
    showAnswer(answer, performance.now() - started);
  } catch (error) {
    showFailure(error.message, "The page is fine: try again, or look at the logs of this extension.");
  } finally {
    setBusy(false);
  }
}

function setBusy(busy) {
  page.setAttribute("aria-busy", String(busy));
  element("send").disabled = busy;
}

function showAnswer(answer, milliseconds) {
  element("failure").hidden = true;
  element("facts").hidden = false;
  element("greeting").textContent = `${answer.greeting}!`;
  element("tenant").textContent = answer.tenant;
  element("extension").textContent = answer.extension;
  element("request").textContent = answer.request_id ?? "–";
  element("took").textContent = `${milliseconds.toFixed(1)} ms`;
}

function showFailure(text, hint) {
  if (element("facts").hidden) element("greeting").textContent = "No answer yet";
  element("failure-text").textContent = text;
  element("failure-hint").textContent = hint;
  element("failure").hidden = false;
}

element("form").addEventListener("submit", (event) => {
  event.preventDefault();
  greet(element("name").value.trim());
});

on("bootstrap", (payload) => applyTheme(payload.theme_tokens));
on("theme_tokens", (payload) => applyTheme(payload.theme_tokens));
on("theme", applyTheme);

if (isFramed) {
  new ResizeObserver(() => resize(Math.ceil(page.getBoundingClientRect().height))).observe(page);
  ready();
  greet("");
} else {
  element("send").disabled = true;
  showFailure(
    "This page asks its handler through Plugboard, and there is no Plugboard around it.",
    "Open it from the list of extensions.",
  );
}
