addEventListener("fetch", (event) => {
  const name = new URL(event.request.url).searchParams.get("name") ?? "stranger";
  const headers = { "content-type": "application/json" };
  event.respondWith(new Response(JSON.stringify({ greeting: `Hello, ${name}!` }), { headers }));
});
