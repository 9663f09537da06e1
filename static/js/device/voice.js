/** Voice windows to probabilities, as `models/onnx_engine.py` and `app/inference/local.py` do it. */

const REFERENCE = 80;

export class Voice {
  #session;
  #adaptive;
  #Tensor;

  /** @param session of ONNX Runtime, @param traits what the artefact says of its answers */
  constructor(session, traits, Tensor) {
    this.#session = session;
    this.#adaptive = traits.adaptive;
    this.#Tensor = Tensor;
  }

  /**
   * @param {{samples: Int16Array, reference: Float32Array | null}} window
   * @returns {Promise<{probs: Float32Array, statistics: Float32Array | null}>} the statistics where the model is adaptive
   */
  async hear({ samples, reference }) {
    const inputs = { waveform: new this.#Tensor("float32", waveform(samples), [1, samples.length]) };
    if (this.#adaptive) {
      inputs.reference = new this.#Tensor("float32", reference ?? new Float32Array(REFERENCE), [1, REFERENCE]);
    }
    const { probabilities, statistics } = await this.#session.run(inputs);
    return { probs: probabilities.data, statistics: statistics?.data ?? null };
  }
}

const waveform = (samples) => Float32Array.from(samples, (sample) => sample / 32768);
