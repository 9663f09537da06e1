/**
 * What a viewer's few neutral seconds teach of them: `app/viewer/calibration.py` and `models/calibration.py`. Pure:
 * time is passed in, answers are handed in.
 */

import { rounded } from "./rounding.js";

/** Fewer readings of a path teach nothing. */
const LEAST_READINGS = 4;
/** How many times as long as it takes at best a viewer may take; then what there is has to do. */
const PATIENCE = 3;
/** How much of a voice's reference, or of a path's neutral offset, counts (shrinkage): seconds are not the person. */
const STRENGTH = { voice: 0.5, face: 0.5 };
/** Offsets are log-odds, clipped to this on both sides. */
const MOST_OFFSET = 2;
/** Answers are taken to be at least so probable, so that their logarithms are finite. */
const LEAST_PROBABILITY = 1e-6;
/** How many windows' worth of belief there is in a person being like all others (empirical Bayes). */
const PRIOR_WINDOWS = 3;
/** Deviation of a window's coefficients, on average: what varies less is no speech. */
const LEAST_VARIATION = 0.42;
/** The least square of a deviation that a reference goes by. */
const LEAST_SQUARE = 0.05;
const MOST_SHIFT = 4;
const MOST_LOG_SCALE = 1;

const PATHS = ["voice", "face"];
const NOTHING = { reference: null, voice: null, face: null };

const clip = (value, most) => Math.max(-most, Math.min(most, value));
const logs = (probs) => Array.from(probs, (p) => Math.log(Math.max(p, LEAST_PROBABILITY)));
const meanOf = (rows) => Array.from(rows[0], (_, i) => rows.reduce((sum, row) => sum + row[i], 0) / rows.length);

/**
 * The reference (Float32Array(80)) that statistics (each 80) of windows make in which a person speaks neutrally: their
 * mean and deviation of each coefficient as (shift, log-scale), pulled towards nobody in particular, the more the fewer
 * windows there are.
 */
export function reference(statistics) {
  const means = meanOf(statistics);
  const half = means.length / 2;
  const shift = means.slice(0, half);
  const square = means.slice(half);
  const logScale = shift.map((mean, i) => Math.log(Math.sqrt(Math.max(square[i] - mean ** 2, LEAST_SQUARE))));
  const trust = statistics.length / (statistics.length + PRIOR_WINDOWS);
  const both = [...shift.map((mean) => clip(mean, MOST_SHIFT)), ...logScale.map((scale) => clip(scale, MOST_LOG_SCALE))];
  return Float32Array.from(both, (value) => trust * value);
}

/** Whether statistics are of a window in which somebody speaks; a steady noise is not. */
export function isSpeech(statistics) {
  const half = statistics.length / 2;
  const deviations = Array.from({ length: half }, (_, i) => Math.sqrt(Math.max(statistics[half + i] - statistics[i] ** 2, 0)));
  return deviations.reduce((sum, deviation) => sum + deviation, 0) / half >= LEAST_VARIATION;
}

/** By how much a person's neutral answers differ from those of people in general, in log-odds; one answer at least. */
export function neutralOffset(answers, neutral) {
  const theirs = meanOf(answers.map(logs)); // their geometric mean
  const whole = Math.log(theirs.reduce((sum, value) => sum + Math.exp(value), 0));
  return Float32Array.from(logs(neutral), (value, i) => clip(theirs[i] - whole - value, MOST_OFFSET));
}

/**
 * Collects a viewer's neutral readings, and keeps what they taught. It ends by itself: when enough is collected from
 * every path that is live, or when its patience is at an end. Of what is taught too little, the old stays in force.
 */
export class Calibrator {
  /** {reference, voice, face}: what an adaptive voice model is given, what answers are multiplied by; null for nothing. */
  learnt = NOTHING;
  #traits;
  #window;
  #needed;
  #patience;
  #since = null; // while collecting
  #failed = false;
  #progress = 0;
  #readings = { voice: [], face: [] };
  #counts = { voice: 0, face: 0 }; // they outlive the readings, to say why it failed

  /** @param voice, @param face what the models say of their answers */
  constructor(settings, voice, face) {
    this.#traits = { voice, face };
    this.#window = settings.voice_window;
    this.#needed = Math.max(LEAST_READINGS, Math.ceil(settings.calibration_seconds / settings.result_interval));
    this.#patience = PATIENCE * this.#needed * settings.result_interval;
  }

  // --- what the viewer wants ---

  /** Collect from now on; what was collected before does not count. */
  start(now) {
    this.#forgetReadings();
    this.#since = now;
  }

  /** Stop collecting, if so; what was in force stays. */
  skip() {
    if (this.#since !== null) this.#forgetReadings();
  }

  /** Forget all that is collected and learnt. */
  reset() {
    this.#forgetReadings();
    this.learnt = NOTHING;
  }

  // --- what the models said ---

  /**
   * Take the answer about the window that ended at time `at`, as the model gave it, and the statistics of an
   * adaptive model. A window that began before the start is none of the reading, nor is one in which nobody speaks, as
   * far as statistics tell.
   */
  hear(at, probs, statistics) {
    if (this.#since === null || (statistics !== null && !isSpeech(statistics))) return;
    const reading = this.#traits.voice.adaptive ? statistics : probs;
    if (reading !== null && this.learns("voice")) this.#take("voice", at - this.#window, reading);
  }

  /** Take the answer, as the model gave it, about a face in a frame that came at time `at`. */
  see(at, probs) {
    if (this.learns("face")) this.#take("face", at, probs);
  }

  /** Let time pass: end if that is due. `live` says of each path whether something arrives. */
  advance(now, live) {
    if (this.#since === null) return;
    const learning = PATHS.filter((path) => this.learns(path));
    const shares = learning.map((path) => this.#share(path));
    const awaited = learning.filter((path) => live[path]).map((path) => this.#share(path));
    const waited = (now - this.#since) / this.#patience;
    this.#progress = Math.min(1, Math.max(waited, awaited.length > 0 ? Math.min(...awaited) : 0));
    const isEnough = Math.max(0, ...shares) >= 1 && Math.min(1, ...awaited) >= 1;
    if (isEnough || waited >= 1) this.#learn();
  }

  // --- what is known ---

  /** Whether the model of a path can be calibrated. */
  learns(path) {
    const { adaptive, neutral } = this.#traits[path];
    return neutral !== null || (path === "voice" && adaptive);
  }

  /** The reference that the voice model is to be given: while collecting, and at first, nobody's, which is null. */
  get reference() {
    return this.#since === null ? this.learnt.reference : null;
  }

  /** What the viewer is told: the fields of a `calibration` message. */
  get status() {
    const state = this.#state();
    const share = (path) => (this.learns(path) ? rounded(this.#share(path), 4) : null);
    return {
      state,
      progress: state === "collecting" ? rounded(this.#progress, 4) : Number(state === "done"),
      voice: this.learnt.reference !== null || this.learnt.voice !== null,
      face: this.learnt.face !== null,
      heard: share("voice"),
      seen: share("face"),
    };
  }

  #state() {
    if (this.#since !== null) return "collecting";
    if (this.#failed) return "failed";
    return Object.values(this.learnt).some((part) => part !== null) ? "done" : "none";
  }

  #share(path) {
    return Math.min(1, this.#counts[path] / this.#needed);
  }

  #take(path, began, reading) {
    if (this.#since === null || began < this.#since) return;
    this.#readings[path].push(reading);
    this.#counts[path] += 1;
  }

  /** End collecting; the readings go, what they taught stays. */
  #learn() {
    const taught = Object.assign({}, ...PATHS.map((path) => this.#lesson(path)));
    this.#failed = Object.keys(taught).length === 0;
    this.learnt = { ...this.learnt, ...taught };
    this.#since = null;
    this.#readings = { voice: [], face: [] };
  }

  #lesson(path) {
    const readings = this.#readings[path];
    if (readings.length < LEAST_READINGS) return {};
    const { adaptive, neutral } = this.#traits[path];
    if (path === "voice" && adaptive) return { reference: reference(readings).map((value) => STRENGTH.voice * value) };
    return { [path]: neutralOffset(readings, neutral).map((offset) => Math.exp(-STRENGTH[path] * offset)) };
  }

  #forgetReadings() {
    this.#since = null;
    this.#failed = false;
    this.#progress = 0;
    this.#readings = { voice: [], face: [] };
    this.#counts = { voice: 0, face: 0 };
  }
}
