/** The voice side of one viewer. Pure: time is passed in. */

import { isSilence, rms } from "./gate.js";
import { RingBuffer } from "./ring-buffer.js";
import { Smoother } from "./smoothing.js";

export const SAMPLE_RATE = 16_000;

/** The newest sound of one viewer, and the smoothed answers about it. */
export class Hearing {
  /** Chunks whose sound left before a window covered it. */
  dropped = 0;
  #silenceRms;
  #staleAfter;
  #ring;
  #chunks = []; // start positions of chunks that no window covered yet
  #covered = 0; // position up to which windows covered the sound
  #levelled = 0; // position up to which results told the level
  #began = -Infinity; // when the sound began anew
  #newestAt = null;
  #newestId = null;
  #heardId = null;
  #reference = null;

  constructor(settings, sharpening) {
    /** The history that is shown. */
    this.answers = new Smoother(settings.voice_smoothing, settings.result_interval, settings.stale_after, sharpening);
    this.#silenceRms = settings.silence_rms;
    this.#staleAfter = settings.stale_after;
    this.#ring = new RingBuffer(Math.round(settings.voice_window * SAMPLE_RATE));
  }

  /** Take a chunk of sound (Int16Array). */
  receive(samples, id, now) {
    if (!this.isLive(now)) this.#restart(now);
    this.#newestAt = now;
    this.#newestId = id;
    this.#chunks.push(this.#ring.total);
    this.#ring.write(samples);
    while (this.#chunks.length > 0 && this.#chunks[0] < this.#ring.oldest) {
      this.#chunks.shift();
      // Sound from before the first window is no loss: that window came as soon as it was full.
      if (this.#covered > 0) this.dropped += 1;
    }
  }

  /** Whether sound arrives. */
  isLive(now) {
    return this.#newestAt !== null && now - this.#newestAt <= this.#staleAfter;
  }

  /** Ask with another reference from now on; answers that were asked for with the old one go. */
  refer(reference) {
    if (reference === this.#reference) return;
    this.#reference = reference;
    this.answers.clear();
  }

  /** The newest window if it is full, new, and not silence; or null. */
  take(now) {
    const isNew = this.#ring.total !== this.#covered;
    if (!this.isLive(now) || this.#isWarming() || !isNew) return null;
    this.#covered = this.#ring.total;
    this.#chunks = [];
    const samples = this.#window();
    if (isSilence(samples, this.#silenceRms)) return null;
    return { samples, id: this.#newestId, at: now, arrived: this.#newestAt, reference: this.#reference };
  }

  /** Take the probabilities of a window; void if late, of the sound before a gap, or asked with another reference. */
  heard(window, probs, now) {
    if (window.at < this.#began || now - window.at > this.#staleAfter) return;
    if (window.reference !== this.#reference) return;
    this.answers.add(probs, window.at);
    this.#heardId = window.id;
  }

  /** The state, the probabilities (or null), and the id of the newest chunk behind them. */
  shown(now) {
    if (this.#ring.total > 0 && !this.isLive(now)) this.#restart(now);
    const { state, probs } = this.#shown(now);
    return { state, probs, id: probs === null ? null : this.#heardId };
  }

  /** The RMS (0 to 1) of the sound since this was last asked. */
  level() {
    const fresh = this.#ring.newest(this.#ring.total - this.#levelled);
    this.#levelled = this.#ring.total;
    return rms(fresh);
  }

  #shown(now) {
    if (!this.isLive(now)) return { state: "absent", probs: null };
    if (this.#isWarming()) return { state: "warming", probs: null };
    const probs = this.answers.mean(now);
    if (isSilence(this.#window(), this.#silenceRms)) return { state: "silence", probs };
    return { state: probs === null ? "warming" : "ok", probs }; // no answer about this voice yet
  }

  #window() {
    return this.#ring.newest(this.#ring.capacity);
  }

  #isWarming() {
    return this.#ring.total < this.#ring.capacity;
  }

  /** Forget the sound before a gap: a window must never join two moments. */
  #restart(now) {
    this.#ring.clear();
    this.#chunks = [];
    this.answers.clear();
    this.#covered = this.#levelled = 0;
    this.#began = now;
  }
}
