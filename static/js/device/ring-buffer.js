/** The newest `capacity` samples of an endless sound: preallocated, no copy of the rest. */
export class RingBuffer {
  #ring;

  constructor(capacity) {
    this.capacity = capacity;
    /** Samples ever written; a sample's position is its index in the endless sound. */
    this.total = 0;
    this.#ring = new Int16Array(capacity);
  }

  /** Position of the oldest sample still held. */
  get oldest() {
    return Math.max(0, this.total - this.capacity);
  }

  /** Append samples (Int16Array); the oldest leave. */
  write(samples) {
    const kept = samples.subarray(Math.max(0, samples.length - this.capacity));
    const start = (this.total + samples.length - kept.length) % this.capacity;
    const first = Math.min(kept.length, this.capacity - start);
    this.#ring.set(kept.subarray(0, first), start);
    this.#ring.set(kept.subarray(first), 0);
    this.total += samples.length;
  }

  /** A copy of the newest `count` samples (fewer where fewer were written), oldest first. */
  newest(count) {
    const length = Math.min(count, this.total, this.capacity);
    const end = this.total % this.capacity;
    const before = Math.max(0, length - end); // of the samples, those that lie at the ring's own end
    const copy = new Int16Array(length);
    copy.set(this.#ring.subarray(this.capacity - before));
    copy.set(this.#ring.subarray(end - (length - before), end), before);
    return copy;
  }

  /** Forget everything and start at position 0. */
  clear() {
    this.total = 0;
    this.#ring.fill(0);
  }
}
