// Builds main.wasm from handler.js; `wit/deps` has the interfaces of WASI 0.2.3.

import { writeFile } from "node:fs/promises";

import { componentize } from "@bytecodealliance/componentize-js";

const { component } = await componentize({
  sourcePath: "handler.js",
  witPath: "wit",
  worldName: "server",
  disableFeatures: ["stdio"],
});
await writeFile("main.wasm", component);
