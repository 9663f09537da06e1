/**
 * The stream with the models in this browser: nothing that is seen or heard leaves the page. It has the interface and
 * the events of `ServerStream`, so that whoever uses it cannot tell them apart; what `app/connection.py` does for a
 * viewer happens here. `state` is "connecting" while the models load, and "closed" with the reason "device" where they
 * cannot be had (a `problem` before it says why); a `progress` event passes on what the engine tells while it loads.
 *
 * The engine, `engine.js`, is loaded when the stream opens:
 *
 *   openEngine({base, onProgress, signal}) -> engine: {voiceTraits, faceTraits, models: {voice, face}, settings}, and
 *   engine.hear({samples, reference}) -> {probs: Float32Array(7), statistics: Float32Array(80) or null}
 *   engine.see(frame) -> {probs: Float32Array(7) or null, box: [x, y, width, height] or null}; the frame is its own
 *   engine.close()
 */

import { Delays } from "../delays.js";
import { LABELS } from "../labels.js";
import { PROTOCOL_VERSION } from "../protocol.js";
import { Schedule } from "./schedule.js";
import { BOUNDS, DEFAULTS } from "./settings.js";
import { reached } from "./unavailable.js";

const NOT_SHOWN = { voice: null, face: null, fusion: null };

const seconds = () => performance.now() / 1000;
const milliseconds = (duration) => Math.round(duration * 10_000) / 10;

export class DeviceStream extends EventTarget {
  /** What `sendFrame` takes. */
  frameKind = "bitmap";
  /** Nothing waits to leave. */
  bufferedAmount = 0;
  /** Nobody asks who is here. */
  token = null;
  #base;
  #given; // settings that whoever made this wants
  #settings = DEFAULTS;
  #load;
  #wish = {}; // what the viewer has set
  #opening = null; // an AbortController from `open` to `close`
  #engine = null;
  #session = null; // while ready
  #schedule = null;
  #timer = null;
  #due = Infinity; // when the next result is; while one is made, never
  #busy = {}; // the paths whose question is under way
  #millis = { ...NOT_SHOWN }; // what the answers took that came since the last result
  #unseen = null; // the frame that waits in the session
  #told = ""; // the calibration that was told last
  #nextId = 1;
  #delays = new Delays();

  /** @param options {base, settings, load}: where the models are, what differs from `DEFAULTS`, how to get `engine.js` */
  constructor({ base, settings = {}, load = () => import("./engine.js") }) {
    super();
    this.#base = base;
    this.#given = settings;
    this.#load = load;
  }

  get isReady() {
    return this.#session !== null;
  }

  async open() {
    if (this.#opening) return;
    const opening = new AbortController();
    this.#opening = opening;
    this.#say("state", { state: "connecting" });
    try {
      // Loaded with the engine, so that a page which asks a server need not wait for it.
      const [{ openEngine }, { Session }] = await reached(Promise.all([this.#load(), import("./session.js")]));
      const onProgress = (detail) => this.#say("progress", detail);
      const engine = await openEngine({ base: this.#base, onProgress, signal: opening.signal });
      if (this.#opening === opening) this.#begin(engine, Session);
      else engine.close(); // closed while it was loading
    } catch (error) {
      if (this.#opening === opening) this.#giveUp(error);
    }
  }

  close() {
    if (!this.#opening) return;
    this.#end();
    this.#say("state", { state: "closed" });
  }

  /** Take Int16Array of 16 kHz mono samples; return its id, or null where it was not taken. */
  sendAudio(samples) {
    const id = this.#take((session, number, now) => session.receiveAudio(samples, number, now));
    if (seconds() >= this.#due) this.#tick(); // a hidden tab gets few timers, but all the sound
    return id;
  }

  /** Take one picture (ImageBitmap or ImageData), which is the stream's own from now on; return its id, or null. */
  sendFrame(frame) {
    const id = this.#take((session, number, now) => session.receiveFrame(frame, number, now));
    this.#letGo();
    this.#unseen = frame;
    if (id === null) this.#letGo();
    return id;
  }

  /** Change this viewer's settings; they hold after a `close` as well. */
  configure(settings) {
    Object.assign(this.#wish, settings);
    this.#session?.configure(settings);
  }

  /** "start", "skip" or "reset"; return whether there is somebody to calibrate. */
  calibrate(action) {
    if (!this.isReady) return false;
    if (this.#session.canCalibrate) {
      this.#session.calibrate(action, seconds());
      this.#tellCalibration(true);
    } else this.#complain("unsupported", "the models of this device cannot be calibrated");
    return true;
  }

  // --- begin and end ---

  #begin(engine, Session) {
    const now = seconds();
    this.#engine = engine;
    this.#settings = { ...DEFAULTS, ...engine.settings, ...this.#given };
    const { stale_after: staleAfter, result_interval: interval } = this.#settings;
    if (staleAfter < 2 * interval) throw new RangeError("stale_after is at least twice result_interval");
    this.#session = new Session(this.#settings, now, engine.voiceTraits, engine.faceTraits);
    this.#session.configure(this.#wish);
    this.#schedule = new Schedule(this.#settings.result_interval, now);
    this.#busy = {};
    this.#told = JSON.stringify(this.#session.calibration);
    this.#plan();
    this.#say("ready", this.#ready());
    this.#say("state", { state: "open" });
  }

  #giveUp(error) {
    this.#end();
    this.#complain("internal", String(error?.message ?? error), false);
    this.#say("state", { state: "closed", reason: "device" });
  }

  #end() {
    this.#opening.abort();
    this.#opening = null;
    clearTimeout(this.#timer);
    this.#due = Infinity;
    this.#session = null;
    this.#engine?.close();
    this.#engine = null;
    this.#delays.clear();
    this.#letGo();
  }

  #ready() {
    const { models, voiceTraits, faceTraits } = this.#engine;
    const id = crypto.getRandomValues(new Uint32Array(2));
    return {
      type: "ready",
      protocol: PROTOCOL_VERSION,
      session: Array.from(id, (part) => part.toString(16).padStart(8, "0")).join(""),
      labels: LABELS,
      models: { voice: models.voice, face: models.face, fusion: null },
      knows: { voice: voiceTraits.labels, face: faceTraits.labels, fusion: null },
      fallback: null,
      settings: this.#session.settings,
      limits: { message_bytes: null, frame_bytes: null, frame_pixels: null, ...BOUNDS }, // no messages, no limits
      features: { calibration: this.#session.canCalibrate },
    };
  }

  // --- what comes in ---

  #take(receive) {
    if (!this.isReady) return null;
    const id = this.#nextId;
    this.#nextId += 1;
    this.#delays.sent(id, performance.now());
    receive(this.#session, id, seconds());
    return id;
  }

  /** A picture that was never looked at holds memory until it is closed. */
  #letGo() {
    this.#unseen?.close?.();
    this.#unseen = null;
  }

  // --- what goes out ---

  #plan() {
    const { due, missed } = this.#schedule.next(seconds());
    this.#session.missResults(missed);
    this.#due = due;
    this.#timer = setTimeout(() => this.#tick(), Math.max(0, due - seconds()) * 1000);
  }

  async #tick() {
    clearTimeout(this.#timer);
    this.#due = Infinity;
    const session = this.#session;
    const started = seconds();
    await within(this.#ask(started), (this.#settings.result_interval / 2) * 1000);
    if (session !== this.#session) return; // closed meanwhile
    const now = seconds();
    const result = { ...session.result(now), ms: { ...this.#millis, total: milliseconds(now - started) } };
    this.#millis = { ...NOT_SHOWN };
    this.#plan();
    this.#say("result", { result, delayMs: this.#delays.of(result.used, performance.now()) });
    this.#tellCalibration(false);
  }

  /** Ask each path that is free, if there is something to ask. What is late goes on by itself. */
  #ask(now) {
    const [session, engine] = [this.#session, this.#engine];
    const window = this.#busy.voice ? null : session.takeWindow(now);
    const picture = this.#busy.face ? null : session.takeFrame(now);
    const hear = async () => {
      const { probs, statistics } = await engine.hear(window);
      session.heard(window, probs, seconds(), statistics);
    };
    const see = async () => session.saw(picture, await engine.see(picture.frame), seconds());
    if (picture !== null) this.#unseen = null;
    return [window && this.#answer("voice", hear), picture && this.#answer("face", see)];
  }

  async #answer(path, ask) {
    const session = this.#session;
    const started = seconds();
    this.#busy[path] = true;
    let failure = null;
    await ask().catch((error) => (failure = error));
    if (session !== this.#session) return;
    this.#busy[path] = false;
    if (failure === null) this.#millis[path] = milliseconds(seconds() - started);
    else this.#complain("inference_failed", String(failure?.message ?? failure));
  }

  #tellCalibration(always) {
    if (!this.isReady) return; // who heard the result has closed it
    const { calibration } = this.#session;
    const text = JSON.stringify(calibration);
    if (always || text !== this.#told) this.#say("calibration", calibration);
    this.#told = text;
  }

  #complain(code, message, recoverable = true) {
    this.#say("problem", { type: "error", code, message, recoverable });
  }

  #say(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** Wait for all of them, `ms` milliseconds at most. */
async function within(answers, ms) {
  let timer = null;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, ms)));
  await Promise.race([Promise.all(answers), late]);
  clearTimeout(timer);
}
