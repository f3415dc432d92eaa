// The `wasi:http` handler of the toolchain tests: a listener of the engine's own event.

addEventListener("fetch", (event) => event.respondWith(answer(event.request)));

async function answer(request) {
  const url = new URL(request.url);
  switch (`${request.method} ${url.pathname}`) {
    case "GET /greeting":
      return Response.json({ greeting: `Hello, ${url.searchParams.get("name")}` });
    case "POST /echo":
      return Response.json({ echo: await request.json() });
    case "GET /refusals":
      return Response.json({ http: await refusal() });
    case "GET /surroundings":
      return Response.json(await surroundings());
    default:
      return new Response(null, { status: 404 });
  }
}

async function refusal() {
  try {
    const { status } = await fetch("https://example.com/");
    return `an answer with status ${status}`;
  } catch (error) {
    return `refused: ${error.name}`;
  }
}

// What the engine takes from WASI.
async function surroundings() {
  console.log("says something");
  const started = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 10));
  const slept = performance.now() - started >= 9;
  const [random] = crypto.getRandomValues(new Uint32Array(1));
  return { random: random / 2 ** 32, milliseconds: Date.now(), slept };
}
