/**
 * The models of this device: questions for a worker that runs them, so that the page never waits for one.
 *
 *   const engine = await openEngine({ base: document.baseURI, onProgress: ({ loaded, total }) => ... });
 *   const { probs } = await engine.hear({ samples, reference: null, describe: false });
 */

/**
 * @typedef {object} Engine
 * @property {object} voiceTraits what the voice model says of its answers, see `models/inference.py`
 * @property {object} faceTraits
 * @property {{voice: string, face: string}} models their names
 * @property {object} settings how the server makes results of answers, see `settings.js`
 * @property {(window: {samples: Int16Array, reference: Float32Array | null, describe: boolean}) =>
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
 *   threads?: number}} options `base` is the address of the folder that has `static` and `device`
 * @returns {Promise<Engine>}
 * @throws {Error} whose message says why they cannot be had
 */
export async function openEngine({ base, onProgress = () => {}, signal, threads = usualThreads() }) {
  const asked = new Questions(new Worker(new URL("./worker.js", import.meta.url), { type: "module" }), onProgress);
  const giveUp = () => asked.end(signal.reason);
  signal?.addEventListener("abort", giveUp);
  try {
    signal?.throwIfAborted();
    const said = await asked.ask("open", { base: String(base), threads });
    return {
      ...said,
      hear: ({ samples, reference, describe }) => asked.ask("hear", { window: { samples, reference, describe } }),
      see: (frame) => asked.ask("see", { frame }, frame instanceof ImageData ? [] : [frame]),
      classify: (crop) => asked.ask("classify", { crop }),
      close: () => asked.end(new Error("the models are closed")),
    };
  } catch (error) {
    asked.end(error);
    throw error;
  } finally {
    signal?.removeEventListener("abort", giveUp);
  }
}

/** Threads need memory that is shared, which only an isolated page has. Half of the cores are left to the page. */
function usualThreads() {
  return globalThis.crossOriginIsolated ? Math.min(4, Math.ceil((navigator.hardwareConcurrency ?? 1) / 2)) : 1;
}

/** What a worker was asked and has not answered yet. */
class Questions {
  #worker;
  #waiting = new Map();
  #nextId = 1;
  #ended = null; // why

  constructor(worker, onProgress) {
    this.#worker = worker;
    worker.onmessage = ({ data }) => (data.progress ? onProgress(data.progress) : this.#answered(data));
    worker.onerror = ({ message }) => this.end(new Error(message || "the models' worker cannot be loaded"));
  }

  ask(question, said, transfer = []) {
    if (this.#ended) return Promise.reject(this.#ended);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
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
