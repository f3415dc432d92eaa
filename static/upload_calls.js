// The requests of `/admin/upload`, and what becomes of those that fail.

// Seconds before each try after a failure; then a person decides.
export const PAUSES_S = [1, 2, 4, 8, 15];

export const wait = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

// What a person must know, as opposed to what another try may mend.
export class Refusal extends Error {
  constructor(problem, status) {
    super(problem?.detail ?? `the appliance answered ${status}`);
    this.problem = problem;
    this.hint = problem?.hint;
    this.status = status;
  }
}

const isPassing = (status) =>
  status === 423 || status === 429 || (status >= 502 && status <= 504);

// Of a limit a person should know which: they may be the one who can make room.
const passing = (status, problem) =>
  new Error((status === 429 && problem?.detail) || "the appliance is busy");

// One request. `seen` hears of bytes on their way; `job.stop` ends it.
export const call = (job, method, path, { headers = {}, body, seen } = {}) =>
  new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, path);
    request.setRequestHeader("accept", "application/json");
    request.setRequestHeader("tus-resumable", "1.0.0");
    request.setRequestHeader("x-csrf-token", document.querySelector("[name=csrf_token]").value);
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
      else if (isPassing(request.status)) reject(passing(request.status, answer));
      else reject(new Refusal(answer, request.status));
    });
    request.addEventListener("error", () => reject(new Error("the connection was lost")));
    request.addEventListener("abort", () => reject(new Error("stopped")));
    job.stop = () => request.abort();
    request.send(body);
  });

// The same until it is answered, for as long as a person would wait.
export const persist = async (method, path, options) => {
  for (const seconds of PAUSES_S) {
    try {
      return await call({}, method, path, options);
    } catch (error) {
      if (error instanceof Refusal) throw error;
      await wait(seconds);
    }
  }
  return call({}, method, path, options);
};
