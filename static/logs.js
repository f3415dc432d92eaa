// The lines of an extension as they come. Without it the page shows those that were there.

// Rows of the table: what is older goes, and is found again by "Older".
const MOST_ROWS = 500;
// How often it is said how many came.
const ANNOUNCE_MS = 10_000;

const bar = document.querySelector("[data-live]");
const rows = document.querySelector("[data-rows]");
const state = bar.querySelector("[data-state]");
const button = bar.querySelector("[data-pause]");

let paused = false;
// Came while the page was paused: shown when it goes on, the oldest of too many are not.
let held = [];
let missedWhilePaused = 0;
let unsaid = 0;
let problem = "";
let isOver = false;

const lines = (count) => `${count.toLocaleString("en")} ${count === 1 ? "line" : "lines"}`;

const say = (text) => {
  if (state.textContent !== text) state.textContent = text;
};

const tell = () => {
  const waiting = missedWhilePaused + held.reduce((sum, [, count]) => sum + count, 0);
  const now = problem || (paused ? "Paused." : "Live: new lines appear at the top.");
  say(waiting ? `${now} ${lines(waiting)} came since.` : now);
  // What is held can be shown also when nothing more comes.
  button.hidden = isOver && !paused;
};

const cell = (tag, ...content) => {
  const made = document.createElement(tag);
  made.append(...content);
  return made;
};

const classed = (tag, name, text) => {
  const made = cell(tag, text);
  made.className = name;
  return made;
};

// The row of `templates/pages/logs.html`.
const row = (line) => {
  const made = document.createElement("tr");
  const isCount = line.dropped !== undefined;
  if (isCount) made.className = "count";

  const time = document.createElement("time");
  time.dateTime = line.at;
  time.dataset.exact = "";
  time.textContent = new Date(line.time_ms).toISOString().replace("T", " ").replace("Z", "");
  const head = cell("th", time);
  head.scope = "row";

  const tone = { warn: "pill attention", error: "pill danger" }[line.level] ?? "muted";
  const message = classed("td", "message", line.message);
  if (line.truncated) message.append(" ", classed("span", "muted", "(cut off)"));
  const request = cell("td");
  if (line.request_id) {
    const link = cell("a", cell("code", line.request_id.slice(0, 8)));
    link.href = `${bar.dataset.page}?${new URLSearchParams({ request: line.request_id })}`;
    request.append(link);
  }
  made.append(
    head,
    cell("td", classed("span", tone, line.level)),
    cell("td", isCount ? classed("span", "muted", "plugboard") : line.stream),
    message,
    request,
  );
  return made;
};

const missedRow = (count) => {
  const made = classed("tr", "count", "");
  const told = classed("td", "message muted", `${lines(count)} came too fast for this page. `);
  told.colSpan = 5;
  const again = cell("a", "Load the page again");
  again.href = location.href;
  told.append(again, " to see what is kept of them.");
  made.append(told);
  return made;
};

const show = (made) => {
  document.querySelector("[data-none]")?.remove();
  rows.closest(".table").hidden = false;
  rows.prepend(...made);
  while (rows.rows.length > MOST_ROWS) rows.lastElementChild.remove();
};

// New rows, the oldest first, are put in once for each frame and not once for each line.
let waiting = [];
const soon = (made) => {
  if (waiting.push(made) > MOST_ROWS) waiting.shift();
  if (waiting.length > 1) return;
  const flush = () => {
    show(waiting.reverse());
    waiting = [];
  };
  // A page in the background has no frames.
  if (document.hidden) setTimeout(flush, 250);
  else requestAnimationFrame(flush);
};

const take = (make, count) => {
  if (paused) {
    held.push([make, count]);
    if (held.length > MOST_ROWS) missedWhilePaused += held.shift()[1];
    tell();
    return;
  }
  unsaid += count;
  soon(make());
};

button.addEventListener("click", () => {
  paused = !paused;
  button.textContent = paused ? "Go on" : "Pause";
  if (!paused) {
    if (missedWhilePaused) soon(missedRow(missedWhilePaused));
    for (const [make] of held) soon(make());
    held = [];
    missedWhilePaused = 0;
  }
  tell();
});

const source = new EventSource(bar.dataset.live);
const finish = (text) => {
  source.close();
  problem = text;
  isOver = true;
  tell();
};

source.addEventListener("open", () => {
  problem = "";
  tell();
});
source.addEventListener("message", (event) => {
  const line = JSON.parse(event.data);
  take(() => row(line), 1);
});
source.addEventListener("missed", (event) => {
  const count = JSON.parse(event.data).lines;
  take(() => missedRow(count), count);
});
source.addEventListener("end", (event) => {
  const { reason } = JSON.parse(event.data);
  if (reason === "uninstalled") finish("It was uninstalled: no more lines come.");
  if (reason === "not_allowed") finish("You are signed out. Load the page again to go on.");
});
source.addEventListener("error", () => {
  if (source.readyState === EventSource.CLOSED) {
    finish("New lines cannot be followed. Load the page again to go on.");
  } else {
    problem = "The connection was lost. Trying again.";
    tell();
  }
});

// Politely, and not each line: what comes is read by whoever wants to.
setInterval(() => {
  if (unsaid > 0) {
    const place = document.querySelector("[data-announce]");
    if (place) place.textContent = `${lines(unsaid)} came.`;
    unsaid = 0;
  }
}, ANNOUNCE_MS);

bar.hidden = false;
