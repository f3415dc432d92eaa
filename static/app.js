// What makes pages smoother. Every page works without it.

import { amount, exact } from "./amounts.js";

const announce = (text) => {
  const place = document.querySelector("[data-announce]");
  if (place) place.textContent = text;
};

// Copy buttons are hidden until there is a clipboard to copy to.
const offerCopies = (root) => {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("[data-copy]")) button.hidden = false;
};

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  const text = button?.closest("[data-copied]")?.dataset.copied;
  if (text === undefined) return;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not copied";
  }
  announce(button.textContent);
  setTimeout(() => (button.textContent = "Copy"), 2000);
});

// The words of `Moment` in `src/web/pages/figures.rs`.
const UNITS = [
  ["year", 365 * 86400],
  ["month", 30 * 86400],
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
];

const relative = (seconds) => {
  const distance = Math.abs(seconds);
  const [unit, length] = UNITS.find(([, length]) => distance >= length) ?? [];
  if (!unit) return "just now";
  const count = Math.floor(distance / length);
  const span = `${count} ${unit}${count === 1 ? "" : "s"}`;
  return seconds < 0 ? `${span} ago` : `in ${span}`;
};

const tellTimes = (root) => {
  for (const time of root.querySelectorAll("time[datetime]:not([data-exact])")) {
    const seconds = Math.trunc((Date.parse(time.dateTime) - Date.now()) / 1000);
    if (!Number.isNaN(seconds)) time.textContent = relative(seconds);
  }
};

// The same form post, with progress; the answer is the page that the post would have led to.
const upload = (form) => {
  const progress = form.querySelector("[data-progress]");
  const bar = progress.querySelector("progress");
  const text = progress.querySelector("[data-progress-text]");
  const request = new XMLHttpRequest();
  const busy = (is) => {
    progress.hidden = !is;
    for (const button of form.querySelectorAll("button")) button.disabled = is;
  };

  request.upload.addEventListener("progress", (event) => {
    if (!event.lengthComputable) return;
    bar.value = Math.round((event.loaded / event.total) * 100);
    const done = event.loaded === event.total;
    text.textContent = done
      ? "Checking the bundle"
      : `Uploading ${amount(event.loaded, event.total)}`;
    text.title = exact(event.loaded, event.total);
    if (done) bar.removeAttribute("value");
  });
  request.addEventListener("load", () => {
    const page = request.responseXML;
    const main = page?.querySelector("main");
    // Somewhere else: the session ended, or the answer is no page.
    if (!main || new URL(request.responseURL).pathname !== new URL(form.action).pathname) {
      location.assign(request.responseURL || form.action);
      return;
    }
    document.title = page.title;
    const fresh = document.importNode(main, true);
    document.querySelector("main").replaceWith(fresh);
    enhance(fresh);
    document.dispatchEvent(new Event("plugboard:page"));
    (fresh.querySelector("[role=alert]") ?? fresh).focus();
    scrollTo(0, 0);
  });
  const failed = () => {
    busy(false);
    const message =
      "The connection was lost. Whether it was published is not known; uploading it again is safe.";
    progress.hidden = false;
    text.textContent = message;
  };
  request.addEventListener("error", failed);
  request.addEventListener("timeout", failed);

  // `document` is parsed without running anything, and is no Trusted Types sink.
  request.responseType = "document";
  request.open("POST", form.action);
  request.setRequestHeader("accept", "text/html");
  request.send(new FormData(form));
  busy(true);
};

const enhance = (root) => {
  offerCopies(root);
  tellTimes(root);
  for (const form of root.querySelectorAll("form[data-upload]")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      upload(form);
    });
  }
};

// The account menu closes as menus do.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.account[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector("details.account[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

enhance(document);
document.querySelector("main [role=alert]")?.focus();
setInterval(() => tellTimes(document), 60_000);
