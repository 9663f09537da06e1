/**
 * The models of this device: questions for a worker that runs them, so that the page never waits for one.
 *
 *   const engine = await openEngine({ base: "https://here/", onProgress: ({ loaded, total }) => ... });
 *   const { probs } = await engine.hear({ samples, reference: null });
 */

/**
 * @typedef {object} Engine
 * @property {object} voiceTraits what the voice model says of its answers, see `models/inference.py`
 * @property {object} faceTraits
 * @property {{voice: string, face: string}} models their names
 * @property {object} settings how the server makes results of answers, see `settings.js`
 * @property {(window: {samples: Int16Array, reference: Float32Array | null}) =>
 *   Promise<{probs: Float32Array, statistics: Float32Array | null}>} hear
 * @property {(frame: ImageBitmap | ImageData) =>
 *   Promise<{probs: Float32Array | null, box: number[] | null}>} see takes the frame: a bitmap is closed
 * @property {(crop: Float32Array) => Promise<{probs: Float32Array}>} classify a crop as the face network takes it
 * @property {() => void} close
 */

/**
 * Load the models, from this browser's storage where they are there.
 *
 * @param {{base: string, onProgress?: (progress: {loaded: number, total: number}) => void, signal?: AbortSignal,
 *   threads?: number, runtime?: "gpu" | "wasm"}} options `base` is the address of the folder that has `static` and
 *   `device`; threads and runtime are what this browser can have, where nobody says otherwise
 * @returns {Promise<Engine>}
 * @throws {Error} whose message says why they cannot be had
 */
export async function openEngine({ base, onProgress = () => {}, signal, threads = usualThreads(), runtime }) {
  signal?.throwIfAborted();
  const shared = runtime ? null : taken(base, threads);
  const engine = shared ?? begun(base, threads, runtime);
  const { asked, said } = engine;
  const onProgressBefore = asked.onProgress;
  asked.onProgress = onProgress;
  let isOpen = true;
  const ask = (...question) => (isOpen ? asked.ask(...question) : Promise.reject(new Error("the models are closed")));
  try {
    return {
      ...(await (signal ? Promise.race([said, aborted(signal)]) : said)),
      hear: ({ samples, reference }) => ask("hear", { window: { samples, reference } }),
      see: (frame) => ask("see", { frame }, frame instanceof ImageData ? [] : [frame]),
      classify: (crop) => ask("classify", { crop }),
      close: () => {
        isOpen = false;
        giveBack(engine); // who starts again need not load again
      },
    };
  } catch (error) {
    asked.onProgress = onProgressBefore;
    if (shared && signal?.aborted) giveBack(shared); // somebody else waits for the same load
    else asked.end(error);
    throw error;
  }
}

/** A promise that is rejected when the signal says so. */
function aborted(signal) {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
}

/**
 * Load the models before anybody opens them: the next `openEngine` has them at once.
 *
 * @throws {Error} whose message says why they cannot be had
 */
export async function warmEngine({ base, onProgress = () => {}, threads = usualThreads() }) {
  const engine = taken(base, threads) ?? begun(base, threads);
  engine.asked.onProgress = onProgress;
  giveBack(engine); // who opens it meanwhile waits for the same load
  await engine.said;
}

let spare = null; // {base, threads, asked, said}: loaded or loading, and nobody's

function begun(base, threads, runtime) {
  const asked = new Questions(new Worker(new URL("./worker.js", import.meta.url), { type: "module" }));
  const said = asked.ask("open", { base: String(base), threads, runtime });
  said.catch((error) => asked.end(error)); // a worker that could not load is of no use to the next
  return { base: String(base), threads, asked, said };
}

function taken(base, threads) {
  const found = spare;
  if (found?.base !== String(base) || found.threads !== threads || !found.asked.isOfUse) return null;
  spare = null;
  return found;
}

function giveBack(engine) {
  spare?.asked.end(new Error("the models are closed"));
  spare = engine;
}

/** Threads need memory that is shared, which only an isolated page has. Half of the cores are left to the page. */
function usualThreads() {
  return globalThis.crossOriginIsolated ? Math.min(4, Math.ceil((navigator.hardwareConcurrency ?? 1) / 2)) : 1;
}

/** A model that has not answered for so long will not. */
const HANGS_MS = 5000;

/** What a worker was asked and has not answered yet. */
class Questions {
  #worker;
  #waiting = new Map();
  #nextId = 1;
  #ended = null; // why

  onProgress = () => {};

  constructor(worker) {
    this.#worker = worker;
    worker.onmessage = ({ data }) => (data.progress ? this.onProgress(data.progress) : this.#answered(data));
    worker.onerror = ({ message }) => this.end(new Error(message || "the models' worker cannot be loaded"));
  }

  /** Whether it may be asked more: it has not ended, and does not hang. */
  get isOfUse() {
    const [oldest] = this.#waiting.values();
    return this.#ended === null && (oldest === undefined || performance.now() - oldest.since < HANGS_MS);
  }

  ask(question, said, transfer = []) {
    if (this.#ended) return Promise.reject(this.#ended);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const since = question === "open" ? Infinity : performance.now(); // a download takes as long as it takes
      this.#waiting.set(id, { resolve, reject, since });
      this.#worker.postMessage({ id, ask: question, ...said }, transfer);
    });
  }

  end(reason) {
    this.#ended ??= reason;
    this.#worker.terminate();
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
  }

  #answered({ id, result, error }) {
    const { resolve, reject } = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) resolve(result);
    else reject(new Error(error));
  }
}
