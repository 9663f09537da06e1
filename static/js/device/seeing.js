/** The face side of one viewer. Pure: time is passed in. */

import { Smoother } from "./smoothing.js";

/** The newest frame of one viewer, and the smoothed answers about those before it. */
export class Seeing {
  /** Frames that a newer one replaced, or that grew stale, before they were looked at. */
  dropped = 0;
  #staleAfter;
  #waiting = null; // {frame, id, at}
  #newestAt = null;
  #seen = null; // {at, id, box, isFace} of the frame that was looked at: not the picture itself

  constructor(settings, sharpening) {
    /** The history that is shown. */
    this.answers = new Smoother(settings.face_smoothing, settings.result_interval, settings.stale_after, sharpening);
    this.#staleAfter = settings.stale_after;
  }

  /** Take a frame; one that still waits is dropped and counted. */
  receive(frame, id, now) {
    if (this.#waiting !== null) this.dropped += 1;
    this.#waiting = { frame, id, at: now };
    this.#newestAt = now;
  }

  /** Whether frames arrive. */
  isLive(now) {
    return this.#newestAt !== null && !this.#isStale(this.#newestAt, now);
  }

  /** The newest frame, once, unless it has grown stale; or null. */
  take(now) {
    this.#forget(now);
    const picture = this.#waiting;
    this.#waiting = null;
    return picture;
  }

  /** Take the reading {probs, box} of a frame; one that came too late is shown as stale, and void. */
  saw({ id, at }, { probs, box }, now) {
    this.#seen = { at, id, box, isFace: probs !== null };
    if (probs !== null && !this.#isStale(at, now)) this.answers.add(probs, at);
  }

  /** The state, the probabilities (or null), the face's box, and the id of the frame behind them. */
  shown(now) {
    this.#forget(now);
    const nothing = { probs: null, box: null, id: null };
    if (this.#seen === null) return { state: "absent", ...nothing };
    const { at, id, box, isFace } = this.#seen;
    if (this.#isStale(at, now)) return { state: "stale", ...nothing };
    return isFace ? { state: "ok", probs: this.answers.mean(now), box, id } : { state: "no_face", probs: null, box, id };
  }

  /** Drop a frame that grew stale before anybody was free to look at it. */
  #forget(now) {
    if (this.#waiting === null || !this.#isStale(this.#waiting.at, now)) return;
    this.#waiting = null;
    this.dropped += 1;
  }

  #isStale(at, now) {
    return now - at > this.#staleAfter;
  }
}
