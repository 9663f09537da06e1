/**
 * Everything that is known of one viewer whose models run in this browser: what `app/viewer/session.py` is to the
 * server, with the same results for the same calls (`tests/vectors` holds the two together). Pure: time is passed in,
 * in seconds of one clock; no DOM, no model.
 *
 *   const session = new Session(settings, now, voiceTraits, faceTraits);   // traits {sharpening, neutral, adaptive, labels}
 *   session.receiveAudio(samples, id, now);         // Int16Array, 16 kHz
 *   session.receiveFrame(frame, id, now);           // whatever the engine sees: it is handed on as it is
 *   const window = session.takeWindow(now);         // null, or {samples, reference, id, at, arrived}
 *   const picture = session.takeFrame(now);         // null, or {frame, id, at}
 *   session.heard(window, probs, now, statistics);  // Float32Array(7); Float32Array(80) of an adaptive model, or null
 *   session.saw(picture, {probs, box}, now);        // both null where there is no face; box [x, y, width, height], 0 to 1
 *   session.missResults(count);
 *   session.result(now);                            // the `result` message of docs/protocol.md, without `ms`
 *
 * `window.reference` is a Float32Array(80), or null for nobody known. Settings, and what the wire carries, have the
 * wire's names (`fusion_weight`). Feature fusion (a model that hears and sees at once) is the server's alone: it needs
 * a third network, and late fusion is what the page shows with the models that it loads.
 */

import { LABELS } from "../labels.js";
import { Calibrator } from "./calibration.js";
import { lateFusion, sayable, topK, topLabel } from "./fusion.js";
import { Hearing } from "./hearing.js";
import { rounded } from "./rounding.js";
import { Seeing } from "./seeing.js";

/** What a model says of its answers where it says nothing; see `models.inference.Traits`. */
export const NO_TRAITS = { sharpening: 0, neutral: null, adaptive: false, labels: LABELS };

export class Session {
  #settings;
  #started;
  #weight;
  #known;
  #hearing;
  #seeing;
  #calibrator;
  #missedResults = 0;

  /**
   * @param settings see `settings.js`
   * @param {number} now the time at which it begins
   * @param voice what the voice model says of its answers
   * @param face what the face model says of its answers
   */
  constructor(settings, now, voice = NO_TRAITS, face = NO_TRAITS) {
    this.#settings = settings;
    this.#started = now;
    this.#weight = settings.fusion_weight;
    this.#known = [voice.labels, face.labels];
    this.#hearing = new Hearing(settings, voice.sharpening);
    this.#seeing = new Seeing(settings, face.sharpening);
    this.#calibrator = new Calibrator(settings, voice, face);
  }

  // --- what the viewer sends ---

  /** Take a chunk of sound. */
  receiveAudio(samples, id, now) {
    this.#hearing.receive(samples, id, now);
  }

  /** Take a frame; one that still waits is dropped and counted. */
  receiveFrame(frame, id, now) {
    this.#seeing.receive(frame, id, now);
  }

  /** Change this viewer's own settings: a `configure` message; what is left out, or null, stays. */
  configure({ fusion_weight = null, voice_smoothing = null, face_smoothing = null }) {
    if (fusion_weight !== null) this.#weight = fusion_weight;
    if (voice_smoothing !== null) this.#hearing.answers.resize(voice_smoothing);
    if (face_smoothing !== null) this.#seeing.answers.resize(face_smoothing);
  }

  /** "start" to learn how this viewer is when neutral, "skip" to stop that, "reset" to forget what was learnt. */
  calibrate(action, now) {
    if (action === "start") this.#calibrator.start(now);
    else if (action === "skip") this.#calibrator.skip();
    else if (action === "reset") this.#calibrator.reset();
    this.#applyWhatWasLearnt();
  }

  /** The settings in force for this viewer, as the wire has them. */
  get settings() {
    const { result_interval, voice_window, silence_rms } = this.#settings;
    return {
      fusion_weight: this.#weight,
      voice_smoothing: this.#hearing.answers.count,
      face_smoothing: this.#seeing.answers.count,
      result_interval,
      voice_window,
      silence_rms,
    };
  }

  // --- what to infer ---

  /** The newest window of `voice_window` seconds if it is full, new, and not silence; or null. */
  takeWindow(now) {
    return this.#hearing.take(now);
  }

  /** The newest frame, once, unless it has grown stale; or null. */
  takeFrame(now) {
    return this.#seeing.take(now);
  }

  // --- what the models said ---

  /**
   * Take the voice model's probabilities of a window, and its statistics where they were asked for. An answer that
   * came too late is not shown, but teaches: it is of the person, not of the moment.
   */
  heard(window, probs, now, statistics = null) {
    this.#calibrator.hear(window.at, probs, statistics);
    this.#hearing.heard(window, probs, now);
  }

  /** Take the face path's reading of a frame; one that came too late is shown as stale, and void. */
  saw(picture, reading, now) {
    if (reading.probs !== null) this.#calibrator.see(picture.at, reading.probs);
    this.#seeing.saw(picture, reading, now);
  }

  /** Count results that the viewer did not get. */
  missResults(count = 1) {
    this.#missedResults += count;
  }

  // --- what is known ---

  /** The `result` message at time `now`, without `ms`; a calibration that is due by then has ended. */
  result(now) {
    this.#calibrator.advance(now, { voice: this.#hearing.isLive(now), face: this.#seeing.isLive(now) });
    this.#applyWhatWasLearnt();
    const voice = this.#hearing.shown(now);
    const face = this.#seeing.shown(now);
    const fused = lateFusion(voice.probs, face.probs, this.#weight, ...this.#known);
    const labels = sayable(voice.probs, face.probs, ...this.#known);
    return {
      type: "result",
      t: rounded(now - this.#started, 3),
      voice: { state: voice.state, ...named(voice.probs) },
      face: { state: face.state, ...named(face.probs), box: face.box },
      fused: { state: fusedState(voice.probs, face.probs), ...named(fused), by: fusedBy(voice.probs, face.probs) },
      top5: fused === null ? [] : topK(fused, 5, labels).map(({ label, prob }) => ({ label, prob: rounded(prob, 4) })),
      level: rounded(this.#hearing.level(), 4),
      used: { audio: voice.id, frame: face.id },
      dropped: { frames: this.#seeing.dropped, audio: this.#hearing.dropped, results: this.#missedResults },
    };
  }

  /** The `calibration` message: how far it was at the newest `result` or `calibrate`. */
  get calibration() {
    return { type: "calibration", ...this.#calibrator.status };
  }

  /** What this viewer's neutral seconds taught: {reference, voice, face}, null where nothing is known. */
  get learnt() {
    return this.#calibrator.learnt;
  }

  /** Whether at least one of the models can be calibrated. */
  get canCalibrate() {
    return this.#calibrator.learns("voice") || this.#calibrator.learns("face");
  }

  #applyWhatWasLearnt() {
    const { voice, face } = this.#calibrator.learnt;
    this.#hearing.refer(this.#calibrator.reference);
    this.#hearing.answers.factors = voice;
    this.#seeing.answers.factors = face;
  }
}

function named(probs) {
  if (probs === null) return { label: null, probs: {} };
  return { label: topLabel(probs), probs: Object.fromEntries(LABELS.map((label, i) => [label, rounded(probs[i], 4)])) };
}

function fusedState(voice, face) {
  if (voice === null) return face === null ? "none" : "face_only";
  return face === null ? "voice_only" : "ok";
}

/** There is no fusion model here. */
function fusedBy(voice, face) {
  return voice === null || face === null ? null : "late";
}
