/**
 * Carries what the devices give to a stream: the sound, and one picture for each result, when it is time (`pacing.js`).
 *
 * Events (with `detail`):
 *   unsent   {}: some sound was left out, because the stream cannot carry it now
 *   picture  {isPaused}: for seconds the camera has had no new picture though one was due; or it has one again
 */

import { FramePacer, SoundPacer } from "./pacing.js";

const PUMP_MS = 50;
/** Without a new picture for this long the camera, or this hidden tab, has gone to sleep. */
const PICTURE_PAUSE_MS = 3000;

export class Feed extends EventTarget {
  #capture;
  #stream;
  #intervalMs = 500;
  #pacer;
  #soundPacer;
  #timer = null;
  #lastPicture = 0; // or when none was called for
  #isPaused = false;

  /** @param capture a `Capture`, @param stream an `EmotionStream`: it takes part from now on, and feeds from `start` on */
  constructor(capture, stream) {
    super();
    this.#capture = capture;
    this.#stream = stream;
    this.#beginAnew();
    capture.addEventListener("audio", ({ detail }) => this.#carrySound(detail.samples));
    stream.addEventListener("ready", ({ detail }) => {
      this.#intervalMs = detail.settings.result_interval * 1000;
      this.#beginAnew();
    });
    stream.addEventListener("result", ({ detail: { result } }) => {
      const now = performance.now();
      this.#pacer.result(result.used.frame, result.ms.total, now);
      this.#soundPacer.result(result.ms.total, now);
    });
  }

  start() {
    this.stop();
    this.#lastPicture = performance.now();
    this.#timer = setInterval(() => this.#pump(), PUMP_MS);
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = null;
    this.#beginAnew();
    this.#tellPaused(false);
  }

  /** Forget what was sent and what waits to be: nothing from before a stop is joined to what comes after it. */
  #beginAnew() {
    this.#pacer = new FramePacer(this.#intervalMs);
    this.#soundPacer = new SoundPacer(this.#intervalMs);
  }

  #carrySound(samples) {
    const due = this.#soundPacer.add(samples, performance.now());
    const isUnsent = due !== null && this.#stream.sendAudio(due) === null && this.#stream.isReady;
    if (isUnsent) this.#say("unsent", {});
    if (this.#timer !== null) this.#pump();
  }

  /** Runs from the timer and from every chunk of sound: hidden tabs get few timers, but all the sound. */
  async #pump() {
    const [stream, timer] = [this.#stream, this.#timer];
    const isDue = stream.isReady && this.#capture.hasCamera;
    const wanted = isDue && this.#pacer.due(performance.now(), stream.bufferedAmount);
    const frame = wanted ? await this.#capture.takeFrame(stream.frameKind) : null;
    if (timer !== this.#timer) {
      frame?.close?.(); // it was stopped meanwhile
      return;
    }
    const now = performance.now();
    if (frame !== null) {
      const id = stream.sendFrame(frame);
      if (id !== null) this.#pacer.sent(id, now);
    }
    if (!wanted || frame !== null) this.#lastPicture = now;
    this.#tellPaused(now - this.#lastPicture > PICTURE_PAUSE_MS);
  }

  #tellPaused(isPaused) {
    if (isPaused === this.#isPaused) return;
    this.#isPaused = isPaused;
    this.#say("picture", { isPaused });
  }

  #say(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
