/**
 * ONNX Runtime: WebAssembly, and WebGPU where the browser has it. What runs on the graphics processor is held to what
 * WebAssembly says of the same input, and is used only where it is the same and comes sooner.
 */

/** Answers that differ by no more are the same: a thousandth of a probability. */
const SAME = 1e-3;
const TRIALS = 5;

/** Which build this browser is to fetch: "gpu" has both, "wasm" is smaller and runs everywhere. */
export async function chooseRuntime() {
  if (!("Suspending" in WebAssembly)) return "wasm"; // the other build waits for the graphics processor by it
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  return adapter && !adapter.info.isFallbackAdapter ? "gpu" : "wasm";
}

export class Runtime {
  #ort;
  #hasGpu;

  static async open(files, name, threads) {
    const prefix = name === "gpu" ? "ort-gpu" : "ort";
    const ort = await import(files.address(`${prefix}.mjs`));
    Object.assign(ort.env.wasm, {
      wasmPaths: { mjs: files.address(`${prefix}-threads.mjs`) },
      wasmBinary: await files.content(`${prefix}.wasm`),
      numThreads: threads,
    });
    ort.env.logLevel = "error";
    return new Runtime(ort, name === "gpu");
  }

  constructor(ort, hasGpu) {
    this.#ort = ort;
    this.#hasGpu = hasGpu;
  }

  get Tensor() {
    return this.#ort.Tensor;
  }

  /** A network in WebAssembly. */
  open(model) {
    return this.#ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
  }

  /** A network wherever it answers `inputs` soonest; `output` is the name of what is compared. */
  async openFastest(model, inputs, output) {
    const plain = await this.open(model);
    if (!this.#hasGpu) return plain;
    try {
      const quick = await this.#ort.InferenceSession.create(model, { executionProviders: ["webgpu"] });
      const [wanted, got] = [await trial(plain, inputs, output), await trial(quick, inputs, output)];
      return isSame(wanted.answer, got.answer) && got.ms < wanted.ms ? orElse(quick, plain) : plain;
    } catch {
      return plain; // a driver that cannot do it
    }
  }
}

/** What a network says, and the least that it took; the first runs, which compile, do not count. */
async function trial(session, inputs, output) {
  let [answer, ms] = [null, Infinity];
  for (let run = 0; run < TRIALS; run += 1) {
    const began = performance.now();
    answer = (await session.run(inputs))[output].data.slice();
    if (run > 0) ms = Math.min(ms, performance.now() - began);
  }
  return { answer, ms };
}

export function isSame(one, other) {
  return one.length === other.length && one.every((value, i) => Math.abs(value - other[i]) <= SAME); // NaN is not
}

/** A graphics processor may be taken away (sleep, a new driver): from then on the other answers. */
export function orElse(quick, plain) {
  let current = quick;
  return {
    async run(...question) {
      try {
        return await current.run(...question);
      } catch (error) {
        if (current === plain) throw error;
        current = plain;
        return plain.run(...question);
      }
    },
  };
}
