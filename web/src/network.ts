/** The network in ONNX Runtime: on the graphics processor where the browser gives it one, else in WebAssembly. */

import type { InferenceSession, Tensor } from "onnxruntime-web";

import { type RunNetwork } from "./fill.ts";

export const NETWORK_FILE = "network/rethined-lr.onnx";
const RUNTIME_FOLDER = "ort/";
const SCHEMA = "rethined-edge-1";
/** More threads than this wait for each other. */
const MOST_THREADS = 4;

type Runtime = Pick<typeof import("onnxruntime-web/wasm"), "env" | "InferenceSession" | "Tensor">;

export interface Network {
  readonly run: RunNetwork;
  /** What runs it, for people. */
  readonly backend: string;
}

/** Loads the network that lies beside the page. */
export async function openNetwork(base: URL): Promise<Network> {
  const file = new URL(NETWORK_FILE, base);
  await expectContract(file);
  const weights = new Uint8Array(await (await get(file)).arrayBuffer());
  if (await hasGraphics()) {
    try {
      const runtime = await import("onnxruntime-web/webgpu");
      return await openWith(runtime, "webgpu", "WebGPU", base, weights);
    } catch (error) {
      console.warn("WebGPU cannot run the network, WebAssembly does instead:", error);
    }
  }
  const runtime = await import("onnxruntime-web/wasm");
  const threads = threadCount();
  return openWith(runtime, "wasm", threads > 1 ? `WebAssembly, ${threads} threads` : "WebAssembly", base, weights);
}

async function openWith(
  runtime: Runtime,
  provider: "webgpu" | "wasm",
  backend: string,
  base: URL,
  weights: Uint8Array,
): Promise<Network> {
  runtime.env.wasm.wasmPaths = new URL(RUNTIME_FOLDER, base).href;
  runtime.env.wasm.numThreads = threadCount();
  const session = await runtime.InferenceSession.create(weights, {
    executionProviders: [provider],
    logSeverityLevel: 3,
  });
  return { run: runWith(runtime, session), backend };
}

function runWith(runtime: Runtime, session: InferenceSession): RunNetwork {
  return async (prefilled, hole) => {
    const { height, width } = prefilled;
    const area = height * width;
    const planes = new Float32Array(3 * area);
    for (let i = 0; i < planes.length; i++) planes[(i % 3) * area + Math.floor(i / 3)] = prefilled.values[i] / 255;
    const outputs = await session.run({
      prefilled: new runtime.Tensor("float32", planes, [1, 3, height, width]),
      hole: new runtime.Tensor("float32", Float32Array.from(hole), [1, 1, height, width]),
    });
    const filled = floats(outputs["filled"]);
    const values = new Float32Array(3 * area);
    for (let i = 0; i < values.length; i++) values[i] = filled[(i % 3) * area + Math.floor(i / 3)] * 255;
    return {
      filled: { height, width, channels: 3, values },
      perToken: outputs["sources"].dims[1],
      sources: ints(outputs["sources"]),
      weights: floats(outputs["weights"]),
    };
  };
}

function floats(tensor: Tensor): Float32Array {
  if (tensor.data instanceof Float32Array) return tensor.data;
  throw new Error(`the network gave ${tensor.type}; expected float32: export it again`);
}

function ints(tensor: Tensor): Int32Array {
  if (tensor.data instanceof Int32Array) return tensor.data;
  throw new Error(`the network gave ${tensor.type}; expected int32: export it again`);
}

/** Shared memory, and with it threads, is given to pages that are served with two headers: see `_headers`. */
function threadCount(): number {
  return self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency, MOST_THREADS) : 1;
}

async function hasGraphics(): Promise<boolean> {
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<object | null> } };
  return gpu !== undefined && (await gpu.requestAdapter()) !== null;
}

async function expectContract(file: URL): Promise<void> {
  const contract = (await (await get(new URL(`${file.href}.json`))).json()) as { schema?: string; form?: string };
  if (contract.schema !== SCHEMA || contract.form !== "lr") {
    throw new Error(
      `the network is of form ${contract.form} and schema ${contract.schema}; expected lr and ${SCHEMA}: export it again`,
    );
  }
}

async function get(file: URL): Promise<Response> {
  const response = await fetch(file);
  if (!response.ok) throw new Error(`${file.pathname} cannot be loaded (${response.status}); build the page again`);
  return response;
}
