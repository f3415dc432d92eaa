// Uploads that can pause and go on: large bundles and several at once, in parts, by
// the tus protocol at /api/v1/uploads. A small single bundle goes by the form.
//
// What a page loses when it is closed is found again by name, size and SHA-256 of a
// file that a person chooses again: nothing of a file is kept in the browser.

import { amount, binary } from "./amounts.js";
import { PAUSES_S, Refusal, call, persist, wait } from "./upload_calls.js";
import { capital, rowOf, sentence } from "./upload_row.js";

const UPLOADS = "/api/v1/uploads";
const PART_BYTES = 8 * 1024 * 1024;
// Browsers hash what is in memory, and no streams.
const MAX_HASHED_BYTES = 1024 * 1024 * 1024;

// The page's own; `arrange` finds them.
let form, queue, bundles, fields, keptList;
const TITLES = { signature: "signature", sbom: "SBOM", provenance: "provenance" };

const base64 = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
const encoded = (text) => base64(new TextEncoder().encode(text));

// Takes an upload of before out of the list that the page came with.
const strike = (id) => {
  keptList?.querySelector(`[data-kept="${id}"]`)?.remove();
  if (keptList && !keptList.querySelector("[data-kept]")) keptList.hidden = true;
};

// The part that was on its way may hold the upload for a moment. One that is gone is given up.
const giveUp = (path) => persist("DELETE", path).catch(() => {});

// `null` where files cannot be told apart: over plain HTTP, or when one is too large.
const digestOf = async (file) => {
  if (!crypto.subtle || file.size > MAX_HASHED_BYTES) return null;
  let content;
  try {
    content = await file.arrayBuffer();
  } catch {
    throw new Refusal({
      detail: "the browser cannot read the file",
      hint: "it may have been moved or changed since it was chosen: choose it again",
    });
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  return `sha256:${Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
};

// What the appliance has of exactly this file.
const find = async (job) => {
  const { uploads } = await call(job, "GET", UPLOADS);
  const alike = uploads.filter(
    ({ id, finished, to_store, filename, length }) =>
      !finished &&
      !to_store &&
      filename === job.file.name &&
      length === job.file.size &&
      !jobs.some((other) => other.path === `${UPLOADS}/${id}`),
  );
  const same = alike.find((upload) => job.digest && upload.declared_hash === job.digest);
  if (!same && alike.some((upload) => job.digest && upload.declared_hash)) {
    const fact = "A file of this name and size was begun before and has other content.";
    job.row.tell("attention", `${fact} This one is sent anew.`);
  }
  return same;
};

const begin = async (job) => {
  job.row.say("Reading the file");
  job.digest ??= await digestOf(job.file);
  const same = await find(job);
  if (job.state !== "running") throw new Error("stopped");
  if (same) {
    job.path = `${UPLOADS}/${same.id}`;
    strike(same.id);
    job.row.tell("good", `Going on at ${amount(same.offset, same.length)}.`);
    return same;
  }
  const metadata = [`filename ${encoded(job.file.name)}`];
  if (job.digest) metadata.push(`sha256 ${encoded(job.digest)}`);
  const headers = {
    "upload-length": String(job.file.size),
    "upload-metadata": metadata.join(","),
  };
  // Not stopped half-way: the appliance would keep an upload that nobody asked for.
  const upload = await call({}, "POST", UPLOADS, { headers });
  job.path = `${UPLOADS}/${upload.id}`;
  if (job.state === "removed") giveUp(job.path);
  if (job.state !== "running") throw new Error("stopped");
  return upload;
};

const show = (job, done) => {
  job.row.say(`Uploading ${amount(done, job.file.size)}`);
  job.row.progress(done);
};

// From where the appliance is to the end, as long as nothing breaks.
const attempt = async (job) => {
  const upload = job.path ? await call(job, "GET", job.path) : await begin(job);
  // Published before: its bytes are not needed, but a signature may be new.
  if (upload.published) return { ...upload.published, isKnown: true };
  job.offset = upload.offset;
  job.row.step("upload");
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
  job.row.step("checks");
  job.row.say("Checking the bundle");
  job.row.progress(undefined);
  job.row.pause.hidden = true;
  const envelopes = await Promise.all(job.own.signature.map((file) => file.arrayBuffer()));
  const body = { signatures: envelopes.map((buffer) => base64(new Uint8Array(buffer))) };
  const headers = { "content-type": "application/json" };
  return call(job, "POST", `${job.path}/publish`, { headers, body: JSON.stringify(body) });
};

// Sends what belongs beside a version; says in sentences what was not taken.
const addBeside = async (job, answer) => {
  const version = `/api/v1/extensions/${answer.name}/versions/${encodeURIComponent(answer.version)}`;
  const requests = answer.isKnown
    ? job.own.signature.map((file) => ["signature", "POST", "signatures", file])
    : [];
  for (const kind of ["sbom", "provenance"]) {
    for (const file of job.own[kind]) requests.push([kind, "PUT", `attachments/${kind}`, file]);
  }
  const problems = [];
  for (const [kind, method, path, body] of requests) {
    try {
      await persist(method, `${version}/${path}`, { body });
    } catch (error) {
      problems.push(`The ${TITLES[kind]} ${body.name} is not kept: ${sentence(error.message)}`);
    }
  }
  return problems;
};

const FACTS = {
  created: ["good", (it) => `${it} is verified and published.`],
  unchanged: ["good", (it) => `${it} was published before, with the same content.`],
  quarantined: [
    "attention",
    (it) => `${it} is quarantined: a person must decide.`,
    "Sign it with a trusted key, or trust the key that signed it, and upload it again; or attach a " +
      "signature, or approve exactly this bundle: `plugboard quarantine list` shows what waits.",
  ],
};

const finish = (job, state) => {
  job.state = state;
  job.row.finish();
};

const succeed = async (job, answer) => {
  const [tone, fact, advice] = FACTS[answer.outcome];
  const isQuarantined = answer.outcome === "quarantined";
  const isLeftOut = isQuarantined && job.own.sbom.length + job.own.provenance.length > 0;
  const problems = isQuarantined ? [] : await addBeside(job, answer);
  if (isLeftOut) problems.push("What came along was not kept: attach it once the bundle is published.");
  job.row.step(null);
  job.row.say(binary(job.file.size));
  job.row.tell(
    problems.length > 0 ? "attention" : tone,
    fact(`${answer.name} ${answer.version}`),
    advice,
    ...problems,
  );
  job.row.check(answer.report);
  if (!isQuarantined) job.row.open(answer.name);
  finish(job, "done");
};

const fail = (job, refusal) => {
  const isSignedOut = refusal.status === 401;
  const hint = isSignedOut
    ? "sign in again and choose the same file again: the upload goes on where it stopped"
    : refusal.hint;
  job.row.say("");
  job.row.tell("danger", sentence(refusal.message), hint && sentence(hint));
  if (refusal.problem?.report) job.row.check(refusal.problem.report);
  finish(job, "failed");
};

const pause = (job, text) => {
  job.state = "paused";
  job.row.say(text ?? `Paused at ${amount(job.offset, job.file.size)}`);
  job.row.pause.hidden = true;
  job.row.resume.hidden = false;
  job.stop?.();
};

const run = async (job) => {
  job.state = "running";
  job.row.resume.hidden = true;
  job.row.pause.hidden = false;
  job.failures = 0;
  while (job.state === "running") {
    try {
      await succeed(job, await attempt(job));
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
        pause(job, `Paused at ${amount(job.offset, job.file.size)}: ${error.message}`);
        return;
      }
      job.row.say(`${capital(error.message)}; going on in ${seconds} s`);
      await wait(seconds);
    }
  }
};

const jobs = [];
const isOpen = (job) => ["waiting", "running", "paused"].includes(job.state);
let working = false;

// One after the other: they share one line.
const work = async () => {
  if (working) return;
  working = true;
  let next;
  while ((next = jobs.find((job) => job.state === "waiting"))) await run(next);
  working = false;
};

const enqueue = (file, own) => {
  const row = rowOf(queue, file);
  const job = { file, own, row, state: "waiting", offset: 0, failures: 0 };
  jobs.push(job);
  row.say("Waiting");
  row.step("choose");
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
    const wasOpen = isOpen(job);
    job.state = "removed";
    job.stop?.();
    row.element.remove();
    queue.hidden = !queue.querySelector("[data-rows] > *");
    if (wasOpen && job.path) giveUp(job.path);
    bundles.focus();
  });
  const limit = Number(queue.dataset.limitBytes);
  if (file.size > limit) {
    const sizes = `The bundle is ${binary(file.size)}; this appliance accepts up to ${binary(limit)}`;
    fail(job, new Refusal({
      detail: sizes,
      hint: "ask an operator to raise `store.max_bundle_bytes`, or make the bundle smaller",
    }));
  }
};

// With one bundle everything else is its own; with several the names say whose.
const owner = (other, files) => {
  if (files.length === 1) return files[0];
  const stem = (file) => file.name.replace(/(\.tar)?\.zst$/, "");
  const owners = files.filter((file) => {
    const next = other.name.charAt(stem(file).length);
    return other.name.startsWith(stem(file)) && next === ".";
  });
  return owners.sort((one, other) => stem(other).length - stem(one).length)[0];
};

// What belongs to each bundle, or a sentence about what belongs to none.
const assign = (files) => {
  const own = new Map(files.map((file) => [file, { signature: [], sbom: [], provenance: [] }]));
  for (const [kind, field] of Object.entries(fields)) {
    for (const other of field.files) {
      const file = owner(other, files);
      if (!file) return `The ${TITLES[kind]} ${other.name} has the name of none of the bundles.`;
      const those = own.get(file)[kind];
      if (kind !== "signature" && those.length > 0) {
        return `${file.name} has two files for its ${TITLES[kind]}: ${those[0].name} and ${other.name}.`;
      }
      those.push(other);
    }
  }
  return own;
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
    if (event.target !== form) return;
    const files = [...bundles.files];
    // The answer to the form takes the place of this page: not of one that is at work.
    if (files.length === 1 && files[0].size <= PART_BYTES && !jobs.some(isOpen)) return;
    event.preventDefault();
    event.stopPropagation();
    const own = assign(files);
    if (typeof own === "string") {
      complain(own);
      return;
    }
    complain(null);
    for (const [file, belongings] of own) enqueue(file, belongings);
    form.reset();
    queue.scrollIntoView({ block: "nearest" });
    work();
  },
  true,
);

// Dropped files land in the field of their kind, beside what was chosen before.
const add = (field, files) => {
  if (files.length === 0) return;
  const all = new DataTransfer();
  for (const file of [...field.files, ...files]) all.items.add(file);
  field.files = all.files;
  field.closest("details")?.setAttribute("open", "");
};
const fieldOf = ({ name }) => {
  if (!/\.json$/i.test(name)) return bundles;
  if (/\b(sbom|bom|cdx|spdx)\b/i.test(name)) return fields.sbom;
  if (/\b(provenance|intoto|slsa)\b/i.test(name)) return fields.provenance;
  return fields.signature;
};
const dropping = (event, is) => {
  if (!event.dataTransfer?.types.includes("Files")) return;
  event.preventDefault();
  event.currentTarget.classList.toggle("dropping", is);
};
const drop = (event) => {
  dropping(event, false);
  const files = [...event.dataTransfer.files];
  for (const field of [bundles, ...Object.values(fields)]) {
    add(field, files.filter((file) => fieldOf(file) === field));
  }
};

// Also for the form that comes back with what is wrong with it.
const arrange = () => {
  form = document.querySelector("form[data-upload]");
  queue = document.querySelector("[data-queue]");
  keptList = document.querySelector("[data-kept-list]");
  if (!form || !queue) return;
  const { bundle, signature, sbom, provenance } = form.elements;
  bundles = bundle;
  fields = { signature, sbom, provenance };
  for (const field of [bundle, sbom, provenance]) field.multiple = true;
  for (const hint of document.querySelectorAll("[data-drop-hint]")) hint.hidden = false;
  document.querySelector("[data-no-digest]").hidden = Boolean(crypto.subtle);
  const zone = document.querySelector("[data-drop]");
  zone.addEventListener("dragover", (event) => dropping(event, true));
  zone.addEventListener("dragleave", (event) => dropping(event, false));
  zone.addEventListener("drop", drop);
  for (const button of keptList?.querySelectorAll("[data-forget]") ?? []) {
    const { kept } = button.closest("[data-kept]").dataset;
    button.hidden = false;
    button.addEventListener("click", () => {
      strike(kept);
      giveUp(`${UPLOADS}/${kept}`);
      bundles.focus();
    });
  }
};

arrange();
document.addEventListener("plugboard:page", arrange);

addEventListener("beforeunload", (event) => {
  if (jobs.some(isOpen)) event.preventDefault();
});
