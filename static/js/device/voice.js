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
   * @param {{samples: Int16Array, reference: Float32Array | null, describe: boolean}} window
   * @returns {Promise<{probs: Float32Array, statistics: Float32Array | null}>} the statistics where they are asked for
   */
  async hear({ samples, reference, describe }) {
    if (describe && !this.#adaptive) throw new Error("the voice model takes no references");
    const inputs = { waveform: new this.#Tensor("float32", waveform(samples), [1, samples.length]) };
    if (this.#adaptive) {
      inputs.reference = new this.#Tensor("float32", reference ?? new Float32Array(REFERENCE), [1, REFERENCE]);
    }
    const answer = await this.#session.run(inputs, describe ? ["probabilities", "statistics"] : ["probabilities"]);
    return { probs: answer.probabilities.data, statistics: describe ? answer.statistics.data : null };
  }
}

const waveform = (samples) => Float32Array.from(samples, (sample) => sample / 32768);
