// Uploads that can pause: large bundles and several at once, in parts, by the
// tus protocol at /api/v1/uploads. A small single bundle goes by the form.
"use strict";

(() => {
  const form = document.querySelector("form[data-upload]");
  const queue = document.querySelector("[data-queue]");
  if (!form || !queue) return;

  const PART_BYTES = 8 * 1024 * 1024;
  // Seconds before each try after a failure; then a person decides.
  const PAUSES_S = [1, 2, 4, 8, 15];
  const bundles = form.elements.bundle;
  const signatures = form.elements.signature;
  const limit = Number(queue.dataset.limitBytes);

  const binary = (bytes) => {
    const units = ["B", "KiB", "MiB", "GiB"];
    let unit = 0;
    while (bytes >= 1024 && unit < units.length - 1) {
      bytes /= 1024;
      unit += 1;
    }
    return `${unit ? bytes.toFixed(1) : bytes} ${units[unit]}`;
  };

  const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
  const sentence = (text) => capital(text) + (/[.!?]$/.test(text) ? "" : ".");

  const base64 = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));

  // What a person must know, as opposed to what another try may mend.
  class Refusal extends Error {
    constructor(problem, status) {
      super(problem?.detail ?? `the appliance answered ${status}`);
      this.problem = problem;
      this.hint = problem?.hint;
      this.status = status;
    }
  }

  const isPassing = (status, code) =>
    status === 423 || code === "rate_limited" || (status >= 502 && status <= 504);

  // One request. `seen` hears of bytes on their way; `job.stop` ends it.
  const call = (job, method, path, { headers = {}, body, seen } = {}) =>
    new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open(method, path);
      request.setRequestHeader("accept", "application/json");
      request.setRequestHeader("tus-resumable", "1.0.0");
      request.setRequestHeader("x-csrf-token", form.elements.csrf_token.value);
      for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
      if (seen) request.upload.addEventListener("progress", (event) => seen(event.loaded));
      request.addEventListener("load", () => {
        let answer = null;
        try {
          answer = JSON.parse(request.responseText);
        } catch {
          // An empty answer, or a proxy's page.
        }
        if (request.status >= 200 && request.status < 300) resolve(answer);
        else if (isPassing(request.status, answer?.code)) reject(new Error("the appliance is busy"));
        else reject(new Refusal(answer, request.status));
      });
      request.addEventListener("error", () => reject(new Error("the connection was lost")));
      request.addEventListener("abort", () => reject(new Error("stopped")));
      job.stop = () => request.abort();
      request.send(body);
    });

  // What the list shows of one bundle.
  const rowOf = (file) => {
    const row = queue.querySelector("template[data-row]").content.firstElementChild.cloneNode(true);
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
      say: (text) => (part("state").textContent = text),
      step: (name) => {
        for (const step of row.querySelectorAll("[data-step]")) {
          if (step.dataset.step === name) step.setAttribute("aria-current", "step");
          else step.removeAttribute("aria-current");
        }
      },
      progress: (share) => {
        const bar = part("bar");
        bar.hidden = share === null;
        if (share === undefined) bar.removeAttribute("value");
        else if (share !== null) bar.value = share;
      },
      tell: (tone, text, hint) => {
        const notice = part("notice");
        notice.className = `notice ${tone}`;
        notice.hidden = false;
        notice.replaceChildren(
          ...[text, hint].filter(Boolean).map((line) => {
            const paragraph = document.createElement("p");
            paragraph.textContent = line;
            return paragraph;
          }),
        );
      },
      check: (report) => {
        // What failed first, as on the page of a single bundle.
        const order = Object.keys(WORDS);
        const sorted = report.checks.toSorted(
          (one, other) => order.indexOf(one.status) - order.indexOf(other.status),
        );
        part("checks").replaceChildren(...sorted.map(checkLine));
        part("report").hidden = false;
        part("report").open = report.verdict !== "verified";
      },
      open: (name) => {
        const link = part("open");
        link.href = `/admin/extensions/${name}`;
        link.textContent = `To ${name}`;
        link.hidden = false;
      },
    };
  };

  // The words of `CheckMark` in `src/web/pages/checks.rs`, the worst first.
  const WORDS = { fail: "failed", warn: "warning", pass: "passed", skipped: "skipped" };

  const checkLine = ({ check, status, found, hint }) => {
    const line = queue.querySelector("template[data-check]").content.firstElementChild.cloneNode(true);
    line.className = status;
    const mark = queue.querySelector(`template[data-mark=${status}]`).content.cloneNode(true);
    line.querySelector("[data-mark]").replaceWith(mark);
    line.querySelector(".check-name").textContent = check;
    line.querySelector(".check-word").textContent = WORDS[status];
    line.querySelector(".check-summary").textContent = found ?? hint ?? "";
    return line;
  };

  const FACTS = {
    created: ["good", (it) => `${it} is verified and published.`],
    unchanged: ["good", (it) => `${it} was published before, with the same content.`],
    quarantined: [
      "attention",
      (it) => `${it} is quarantined: a person must decide.`,
      "Trust the key and upload it again, attach a signature, or approve exactly this bundle: " +
        "`plugboard quarantine list` shows what waits.",
    ],
  };

  const finish = (job, state) => {
    job.state = state;
    job.row.pause.hidden = true;
    job.row.resume.hidden = true;
    job.row.progress(null);
    job.row.remove.hidden = false;
    job.row.remove.textContent = "Remove";
    job.row.remove.setAttribute("aria-label", `Remove ${job.file.name}`);
  };

  const succeed = (job, answer) => {
    const [tone, fact, advice] = FACTS[answer.outcome];
    job.row.step("done");
    job.row.say(binary(job.file.size));
    job.row.tell(tone, fact(`${answer.name} ${answer.version}`), advice);
    job.row.check(answer.report);
    if (answer.outcome !== "quarantined") job.row.open(answer.name);
    finish(job, "done");
  };

  const fail = (job, refusal) => {
    job.row.say("");
    job.row.tell("danger", sentence(refusal.message), refusal.hint && sentence(refusal.hint));
    if (refusal.problem?.report) job.row.check(refusal.problem.report);
    finish(job, "failed");
  };

  const pause = (job, text) => {
    job.state = "paused";
    job.row.say(text ?? `Paused at ${binary(job.offset)} of ${binary(job.file.size)}`);
    job.row.pause.hidden = true;
    job.row.resume.hidden = false;
    job.stop?.();
  };

  const show = (job, done) => {
    job.row.say(`${binary(done)} of ${binary(job.file.size)}`);
    job.row.progress(Math.floor((done / job.file.size) * 100));
  };

  const begin = async (job) => {
    const name = base64(new TextEncoder().encode(job.file.name));
    const headers = {
      "upload-length": String(job.file.size),
      "upload-metadata": `filename ${name}`,
    };
    // Not stopped half-way: the appliance would keep an upload that nobody knows.
    const upload = await call({}, "POST", "/api/v1/uploads", { headers });
    job.path = `/api/v1/uploads/${upload.id}`;
    if (job.state === "removed") giveUp(job.path);
    if (job.state !== "running") throw new Error("stopped");
    return upload;
  };

  // The part that was on its way may hold the upload for a moment.
  const giveUp = async (path) => {
    for (const seconds of PAUSES_S) {
      try {
        await call({}, "DELETE", path);
        return;
      } catch (error) {
        if (error instanceof Refusal) return;
        await wait(seconds);
      }
    }
  };

  // From where the appliance is to the end, as long as nothing breaks.
  const attempt = async (job) => {
    const upload = job.path ? await call(job, "GET", job.path) : await begin(job);
    job.offset = upload.offset;
    job.row.step("sending");
    while (job.offset < job.file.size) {
      const from = job.offset;
      const end = Math.min(from + PART_BYTES, job.file.size);
      show(job, from);
      await call(job, "PATCH", job.path, {
        headers: {
          "content-type": "application/offset+octet-stream",
          "upload-offset": String(from),
        },
        body: job.file.slice(from, end, "application/offset+octet-stream"),
        seen: (sent) => show(job, Math.min(from + sent, end)),
      });
      job.offset = end;
      job.failures = 0;
    }
    job.row.step("checking");
    job.row.say("Checking the bundle");
    job.row.progress(undefined);
    job.row.pause.hidden = true;
    const envelopes = await Promise.all(job.signatures.map((file) => file.arrayBuffer()));
    const body = { signatures: envelopes.map((buffer) => base64(new Uint8Array(buffer))) };
    const headers = { "content-type": "application/json" };
    return call(job, "POST", `${job.path}/publish`, { headers, body: JSON.stringify(body) });
  };

  const wait = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

  const run = async (job) => {
    job.state = "running";
    job.row.resume.hidden = true;
    job.row.pause.hidden = false;
    job.failures = 0;
    while (job.state === "running") {
      try {
        succeed(job, await attempt(job));
      } catch (error) {
        if (job.state !== "running") return;
        // Where this page is, is not where the appliance is: ask, and go on from there.
        const isBehind = ["offset_mismatch", "upload_incomplete"].includes(error.problem?.code);
        if (error instanceof Refusal && !isBehind) {
          fail(job, error);
          return;
        }
        const seconds = PAUSES_S[job.failures];
        job.failures += 1;
        if (seconds === undefined) {
          pause(job, `Paused at ${binary(job.offset)}: ${error.message}`);
          return;
        }
        job.row.say(`${capital(error.message)}; going on in ${seconds} s`);
        await wait(seconds);
      }
    }
  };

  const jobs = [];
  let working = false;

  // One after the other: they share one line.
  const work = async () => {
    if (working) return;
    working = true;
    let next;
    while ((next = jobs.find((job) => job.state === "waiting"))) await run(next);
    working = false;
  };

  const enqueue = (file, envelopes) => {
    const row = rowOf(file);
    const job = { file, signatures: envelopes, row, state: "waiting", offset: 0, failures: 0 };
    jobs.push(job);
    row.say("Waiting");
    row.progress(0);
    row.pause.addEventListener("click", () => {
      pause(job);
      row.resume.focus();
    });
    row.resume.addEventListener("click", () => {
      job.state = "waiting";
      row.resume.hidden = true;
      row.pause.hidden = false;
      row.pause.focus();
      row.say("Waiting");
      work();
    });
    row.remove.addEventListener("click", () => {
      const isOver = ["done", "failed"].includes(job.state);
      job.state = "removed";
      job.stop?.();
      row.element.remove();
      queue.hidden = !queue.querySelector("[data-rows] > *");
      if (!isOver && job.path) giveUp(job.path);
      bundles.focus();
    });
    if (file.size > limit) {
      const sizes = `The bundle is ${binary(file.size)}; this appliance accepts up to ${binary(limit)}`;
      fail(job, new Refusal({
        detail: sizes,
        hint: "ask an operator to raise `store.max_bundle_bytes`, or make the bundle smaller",
      }));
    }
  };

  // With one bundle every signature is its own; with several the names say whose.
  const owner = (envelope, files) => {
    if (files.length === 1) return files[0];
    const stem = (file) => file.name.replace(/(\.tar)?\.zst$/, "");
    const owners = files.filter((file) => {
      const next = envelope.name.charAt(stem(file).length);
      return envelope.name.startsWith(stem(file)) && next === ".";
    });
    return owners.sort((one, other) => stem(other).length - stem(one).length)[0];
  };

  const complain = (text) => {
    const place = queue.querySelector("[data-complaint]");
    place.hidden = !text;
    place.querySelector("p").textContent = text ?? "";
    if (!text) return;
    queue.hidden = false;
    place.focus();
  };

  // Before the form's own handler, which sends one small bundle.
  document.addEventListener(
    "submit",
    (event) => {
      const files = [...bundles.files];
      if (event.target !== form || (files.length === 1 && files[0].size <= PART_BYTES)) return;
      event.preventDefault();
      event.stopPropagation();
      const envelopes = new Map(files.map((file) => [file, []]));
      for (const envelope of signatures.files) {
        const file = owner(envelope, files);
        if (!file) {
          complain(`The signature ${envelope.name} has the name of none of the bundles.`);
          return;
        }
        envelopes.get(file).push(envelope);
      }
      complain(null);
      for (const [file, own] of envelopes) enqueue(file, own);
      form.reset();
      queue.scrollIntoView({ block: "nearest" });
      work();
    },
    true,
  );

  // Dropped files land in the two fields, beside what was chosen before.
  const add = (field, files) => {
    if (files.length === 0) return;
    const all = new DataTransfer();
    for (const file of [...field.files, ...files]) all.items.add(file);
    field.files = all.files;
  };
  const zone = document.querySelector("[data-drop]");
  const dropping = (event, is) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    zone.classList.toggle("dropping", is);
  };
  zone.addEventListener("dragover", (event) => dropping(event, true));
  zone.addEventListener("dragleave", (event) => dropping(event, false));
  zone.addEventListener("drop", (event) => {
    dropping(event, false);
    const files = [...event.dataTransfer.files];
    const isSignature = (file) => /\.json$/i.test(file.name);
    add(signatures, files.filter(isSignature));
    add(bundles, files.filter((file) => !isSignature(file)));
  });
  bundles.multiple = true;
  for (const hint of document.querySelectorAll("[data-drop-hint]")) hint.hidden = false;

  addEventListener("beforeunload", (event) => {
    if (jobs.some((job) => ["waiting", "running", "paused"].includes(job.state))) {
      event.preventDefault();
    }
  });
})();
