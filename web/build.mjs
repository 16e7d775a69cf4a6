// Builds the page into dist/: static files, all that it needs among them.

import { spawnSync } from "node:child_process";
import { cp, mkdir, readdir, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "dist");
const network = join(here, "network", "rethined-lr.onnx");

await exportNetwork();
await rm(out, { recursive: true, force: true });
await cp(join(here, "public"), out, { recursive: true });
await cp(join(here, "network"), join(out, "network"), { recursive: true });
await copyRuntime();
await build({
  entryPoints: [join(here, "src", "main.ts"), join(here, "src", "worker.ts")],
  outdir: out,
  bundle: true,
  splitting: true,
  format: "esm",
  target: "es2022",
  minify: true,
  chunkNames: "chunks/[name]-[hash]",
  legalComments: "linked",
  // Its WebAssembly glue as a file of its own, not as text to be turned into code.
  conditions: ["onnxruntime-web-use-extern-wasm"],
  logLevel: "info",
});
console.log(`${out}: serve it with any server of static files, for example: python3 -m http.server -d dist`);

/** The network is no file of the repository: it is written from the weights in the Python package, once. */
async function exportNetwork() {
  await mkdir(dirname(network), { recursive: true });
  if ((await readdir(dirname(network))).includes("rethined-lr.onnx.json")) return;
  const command = ["rethined", "export", "onnx", "--form", "lr", "-o", network];
  console.log(command.join(" "));
  const { status, error } = spawnSync(command[0], command.slice(1), { stdio: "inherit" });
  if (status !== 0) {
    const reason = error ? `cannot be started (${error.message})` : `ended with ${status}`;
    console.error(`${command[0]} ${reason}: pip install 'rethined[export]' from this repository, then build again`);
    process.exit(1);
  }
}

/** ONNX Runtime's WebAssembly, from its npm package: plain, and the one that reaches WebGPU. */
async function copyRuntime() {
  const from = dirname(createRequire(import.meta.url).resolve("onnxruntime-web"));
  for (const name of ["ort-wasm-simd-threaded", "ort-wasm-simd-threaded.asyncify"]) {
    for (const kind of ["mjs", "wasm"]) await cp(join(from, `${name}.${kind}`), join(out, "ort", `${name}.${kind}`));
  }
}
