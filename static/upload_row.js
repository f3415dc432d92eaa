// What the list of `/admin/upload` shows of one bundle, made of the page's templates.

import { exact } from "./amounts.js";

// The words of `CheckMark` in `src/web/pages/checks.rs`, the worst first.
const WORDS = { fail: "failed", warn: "warning", pass: "passed", skipped: "skipped" };

// What begins with a name keeps it as it is, as in `src/web/pages/failure.rs`.
export const capital = (text) =>
  /^[a-z]+( |$)/i.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
export const sentence = (text) => capital(text) + (/[.!?]$/.test(text) ? "" : ".");

const copyOf = (queue, template) =>
  queue.querySelector(`template[data-${template}]`).content.firstElementChild.cloneNode(true);

const checkLine = (queue, { check, status, code, found, hint }) => {
  const line = copyOf(queue, "check");
  line.className = status;
  line.querySelector("[data-mark]").replaceWith(copyOf(queue, `mark=${status}`));
  line.querySelector(".check-name").textContent = check;
  line.querySelector(".check-word").textContent = WORDS[status];
  const said = found ?? hint ?? "";
  const summary = status === "fail" && code ? `${said} (\`${code}\`)` : said;
  line.querySelector(".check-summary").append(...prose(summary));
  return line;
};

// What is between back quotes is code, as on the other pages.
const prose = (text) =>
  text.split("`").map((part, index) => {
    if (index % 2 === 0) return part;
    const code = document.createElement("code");
    code.textContent = part;
    return code;
  });

const paragraph = (text) => {
  const made = document.createElement("p");
  made.append(...prose(text));
  return made;
};

export const rowOf = (queue, file) => {
  const row = copyOf(queue, "row");
  const part = (name) => row.querySelector(`[data-${name}]`);
  part("name").textContent = file.name;
  for (const button of row.querySelectorAll("button")) {
    button.setAttribute("aria-label", `${button.textContent} ${file.name}`);
  }
  queue.querySelector("[data-rows]").append(row);
  queue.hidden = false;
  return {
    element: row,
    pause: part("pause"),
    resume: part("resume"),
    remove: part("remove"),
    say: (text) => {
      part("state").textContent = text;
      part("state").removeAttribute("title");
    },
    step: (name) => {
      for (const step of row.querySelectorAll("[data-step]")) {
        if (step.dataset.step === name) step.setAttribute("aria-current", "step");
        else step.removeAttribute("aria-current");
      }
    },
    // A share of the file, `undefined` for a while of unknown length, `null` for none.
    progress: (done) => {
      const bar = part("bar");
      bar.hidden = done === null;
      if (done === undefined) bar.removeAttribute("value");
      else if (done !== null) {
        bar.value = Math.floor((done / file.size) * 100);
        part("state").title = exact(done, file.size);
      }
    },
    tell: (tone, ...lines) => {
      const notice = part("notice");
      notice.className = `notice ${tone}`;
      notice.hidden = false;
      notice.replaceChildren(...lines.filter(Boolean).map(paragraph));
    },
    check: (report) => {
      // What failed first, as on the page of a single bundle.
      const order = Object.keys(WORDS);
      const sorted = report.checks.toSorted(
        (one, other) => order.indexOf(one.status) - order.indexOf(other.status),
      );
      part("checks").replaceChildren(...sorted.map((check) => checkLine(queue, check)));
      part("report").hidden = false;
      part("report").open = report.verdict !== "verified";
    },
    open: (name) => {
      const link = part("open");
      link.href = `/admin/extensions/${name}`;
      link.textContent = `To ${name}`;
      link.hidden = false;
    },
    // Nothing is left to pause.
    finish: () => {
      part("pause").hidden = true;
      part("resume").hidden = true;
      part("bar").hidden = true;
      part("remove").hidden = false;
      part("remove").textContent = "Remove";
      part("remove").setAttribute("aria-label", `Remove ${file.name}`);
    },
  };
};
