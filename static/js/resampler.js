/**
 * Streaming sample-rate conversion with a polyphase windowed-sinc FIR filter.
 *
 * Reference: J. O. Smith, "Digital Audio Resampling" (CCRMA, Stanford); filter length after
 * Kaiser's formula. No DOM, no Web Audio: it runs in an AudioWorklet and in Node alike.
 */

const STOPBAND_DB = 80;
/** Of the lower Nyquist frequency. The filter stops from that frequency on, so that nothing folds back:
 * for 16 kHz, flat to 7.2 kHz and -80 dB from 8 kHz. */
const PASSBAND = 0.9;

/** Zeroth-order modified Bessel function of the first kind, by its power series. */
function besselI0(x) {
  let sum = 1;
  let term = 1;
  for (let k = 1; term > 1e-12 * sum; k += 1) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function greatestCommonDivisor(a, b) {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/**
 * One FIR filter for each of the `phases` positions an output sample can have between two inputs.
 * Taps lie in the order of the samples they meet, oldest first.
 */
function designFilters(phases, scale) {
  const transition = 2 * Math.PI * 0.5 * (1 - PASSBAND) * scale; // radians a sample
  const taps = 2 * Math.ceil((STOPBAND_DB - 7.95) / (2.285 * transition) / 2);
  const cutoff = 0.25 * (1 + PASSBAND) * scale; // cycles a sample, in the middle of the transition
  const beta = 0.1102 * (STOPBAND_DB - 8.7);
  const half = taps / 2;
  return Array.from({ length: phases }, (_, phase) => {
    const filter = new Float32Array(taps);
    let sum = 0;
    for (let k = 0; k < taps; k += 1) {
      const u = k + phase / phases - half;
      const x = 2 * Math.PI * cutoff * u;
      const sinc = x === 0 ? 1 : Math.sin(x) / x;
      const window = besselI0(beta * Math.sqrt(Math.max(0, 1 - (u / half) ** 2)));
      filter[taps - 1 - k] = sinc * window;
      sum += sinc * window;
    }
    return filter.map((tap) => tap / sum); // unity gain at 0 Hz in every phase
  });
}

/**
 * Converts a mono signal from one whole sample rate to another, block by block.
 *
 * The result does not depend on how the signal is cut into blocks, and after N input samples
 * exactly ceil(N * outputRate / inputRate) output samples have been given: no drift.
 */
export class Resampler {
  #up;
  #down;
  #filters;
  #history; // the newest taps - 1 samples of the blocks before
  #position = 0; // of the next output, in 1/up input samples, from the start of the next block

  constructor(inputRate, outputRate) {
    if (!(Number.isInteger(inputRate) && Number.isInteger(outputRate) && inputRate > 0 && outputRate > 0)) {
      throw new RangeError(`sample rates must be whole and positive: ${inputRate}, ${outputRate}`);
    }
    const divisor = greatestCommonDivisor(inputRate, outputRate);
    this.#up = outputRate / divisor;
    this.#down = inputRate / divisor;
    this.#filters = designFilters(this.#up, Math.min(1, outputRate / inputRate));
    this.#history = new Float32Array(this.#filters[0].length - 1);
  }

  /** Take a Float32Array of any length; return the Float32Array of samples that are now complete. */
  process(block) {
    if (this.#up === this.#down) return block.slice();
    const signal = new Float32Array(this.#history.length + block.length);
    signal.set(this.#history);
    signal.set(block, this.#history.length);

    const end = block.length * this.#up;
    const output = new Float32Array(Math.max(0, Math.ceil((end - this.#position) / this.#down)));
    for (let n = 0; n < output.length; n += 1) {
      const start = Math.floor(this.#position / this.#up);
      const filter = this.#filters[this.#position % this.#up];
      let sum = 0;
      for (let k = 0; k < filter.length; k += 1) sum += filter[k] * signal[start + k];
      output[n] = sum;
      this.#position += this.#down;
    }
    this.#position -= end;
    this.#history = signal.slice(signal.length - this.#history.length);
    return output;
  }
}
