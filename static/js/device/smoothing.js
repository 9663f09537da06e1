/** A moving average of probabilities, by count and by age, made as sure as so many answers are. */

/**
 * The mean of `count` answers in a row, raised to the power `count ** sharpening`, as probabilities: several that
 * agree are more evidence than one. One answer is never changed, and the most probable label stays the most probable.
 */
export function sharpened(mean, count, sharpening) {
  const power = count ** sharpening;
  if (power === 1) return mean;
  const most = Math.max(...mean);
  return Float32Array.from(shares(Array.from(mean, (p) => (p / most) ** power)));
}

/**
 * The mean of the newest `count` readings that are not older than `count * interval` seconds. The newest reading alone
 * stays for `lasting` seconds at least, so that readings which come more slowly than `interval` leave no gaps.
 */
export class Smoother {
  /** What each reading is multiplied by before it is averaged (and made probabilities again), or null. */
  factors = null;
  #interval;
  #lasting;
  #sharpening;
  #readings = []; // {at, probs}, oldest first

  constructor(count, interval, lasting, sharpening = 0) {
    /** Readings that are averaged. */
    this.count = count;
    this.#interval = interval;
    this.#lasting = lasting;
    this.#sharpening = sharpening;
  }

  /** Average over another number of readings from now on; the newest are kept. */
  resize(count) {
    this.count = count;
    this.#leaveNewest();
  }

  /** Take a reading of what was captured at time `at`; readings come in that order. */
  add(probs, at) {
    this.#readings.push({ at, probs });
    this.#leaveNewest();
  }

  clear() {
    this.#readings = [];
  }

  /** The sharpened mean (Float32Array) of what is left at time `now`, or null. */
  mean(now) {
    while (this.#readings.length > 0 && now - this.#readings[0].at > this.#life()) this.#readings.shift();
    const { length } = this.#readings;
    if (length === 0) return null;
    const mean = new Float32Array(this.#readings[0].probs.length); // as exact as the server's own sum, and no more
    for (const { probs } of this.#readings) this.#corrected(probs).forEach((p, i) => (mean[i] += p));
    return sharpened(
      mean.map((sum) => sum / length),
      length,
      this.#sharpening,
    );
  }

  #corrected(probs) {
    return this.factors === null ? probs : shares(probs.map((p, i) => p * this.factors[i]));
  }

  /** For how many seconds the oldest reading counts. */
  #life() {
    const span = this.count * this.#interval;
    return this.#readings.length > 1 ? span : Math.max(span, this.#lasting);
  }

  #leaveNewest() {
    this.#readings.splice(0, this.#readings.length - this.count);
  }
}

function shares(weights) {
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}
