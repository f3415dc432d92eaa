// Builds bundle/dist/main.wasm from src/ and wit/.

import { mkdir, writeFile } from "node:fs/promises";

import { componentize } from "@bytecodealliance/componentize-js";
import { build } from "esbuild";

process.chdir(import.meta.dirname);

// One module: imports from npm go in, imports from the host stay.
await build({
  entryPoints: ["src/handler.js"],
  outfile: "build/handler.js",
  bundle: true,
  format: "esm",
  target: "es2022",
  external: ["alga:*"],
});

const { component } = await componentize({
  sourcePath: "build/handler.js",
  witPath: "wit",
  worldName: "hello",
  // The handler has no use for WASI, and a component without it starts faster.
  disableFeatures: ["stdio", "random", "clocks", "http", "fetch-event"],
});

await mkdir("bundle/dist", { recursive: true });
await writeFile("bundle/dist/main.wasm", component);
console.log(`bundle/dist/main.wasm: ${component.length} bytes`);
