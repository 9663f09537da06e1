/**
 * Voice and face in, results out, for any page: through a server, or with the models in this browser. docs/embedding.md
 * has it at length, emotion-stream.d.ts the types.
 *
 *   const stream = new EmotionStream({ source: "device" });
 *   stream.addEventListener("result", ({ detail }) => console.log(detail.result.fused.label));
 *   await stream.start(); // asks for camera and microphone
 *
 * Who has sound and pictures of their own gives them instead:
 *
 *   stream.open();
 *   stream.sendAudio(int16Samples); stream.sendFrame(frame);
 *
 * Events (all with `detail`), the same from both sources:
 *   state    {state: "connecting" | "open" | "waiting" | "closed", retryInMs?, reason?}
 *            `waiting` is a server's alone, the pause before the next attempt; `reason` is told where nobody closed it
 *   ready    the `ready` message of docs/protocol.md
 *   result   {result, delayMs: {audio, frame}}: the `result` message, and how long ago the newest of what it shows was
 *            handed over, null where nothing new was used
 *   calibration  the `calibration` message; what was learnt is lost when it closes, and a `ready` means that nothing is
 *            known
 *   problem  the `error` message
 *   progress {loaded, total, ...}: of this device's models, while they load
 *   device   {device: "camera" | "microphone", state: "live" | "muted" | "lost"}, after `start`
 */

import { DeviceStream } from "./device/device-stream.js";
import { checkDevice, checkFrame, checkSound, checkWish, folderAddress, streamAddress } from "./given.js";
import { ServerStream } from "./server-stream.js";

const SITE = new URL("../../", import.meta.url);
const SOURCES = {
  server: ({ url = new URL("ws", SITE) }) => new ServerStream(streamAddress(url)),
  device: ({ base = SITE, settings }) => new DeviceStream({ base: folderAddress(base), settings }),
};
const EVENTS = ["state", "ready", "result", "calibration", "problem", "progress"];

/** Pictures are taken from a video that plays; one that nobody sees will do. */
function hiddenVideo() {
  return Object.assign(document.createElement("video"), { muted: true, playsInline: true });
}

export class EmotionStream extends EventTarget {
  #options;
  #source;
  #stream; // of that source
  #settings = {}; // what the viewer has set, for whichever source
  #token = null;
  #capturing = null; // {capture, feed}, from the first `start` on

  /**
   * @param options a server's address; or {source, url, base, settings}:
   *   source    "server" (default), or "device"
   *   url       of the server's stream; by default of the server from which this module comes
   *   base      of the device's models: the address of the folder that has `static`
   *   settings  of this device, see device/settings.js: what is left out is as a server has it by default
   * @throws {TypeError | RangeError} it cannot be meant so; the same of other members
   */
  constructor(options = {}) {
    super();
    const isAddress = typeof options === "string" || options instanceof URL;
    this.#options = isAddress ? { url: String(options) } : options;
    checkDevice(this.#options.settings ?? {});
    this.source = this.#options.source ?? "server";
  }

  /** Who answers: "server" or "device". Setting it closes what is open. */
  get source() {
    return this.#source;
  }

  set source(source) {
    if (!Object.hasOwn(SOURCES, source)) throw new TypeError(`source is "server" or "device", not ${source}`);
    this.#stream?.close();
    this.#source = source;
    const stream = SOURCES[source](this.#options);
    for (const type of EVENTS) stream.addEventListener(type, ({ detail }) => this.#say(type, detail));
    // A camera that nobody looks at is off.
    stream.addEventListener("state", ({ detail }) => detail.state === "closed" && this.#release());
    stream.configure(this.#settings);
    stream.token = this.#token;
    this.#stream = stream;
  }

  /** What to show a server that asks who we are, or null. */
  get token() {
    return this.#token;
  }

  set token(token) {
    this.#token = token;
    this.#stream.token = token;
  }

  get isReady() {
    return this.#stream.isReady;
  }

  /** Bytes that wait to leave; a sender of pictures looks here first. */
  get bufferedAmount() {
    return this.#stream.bufferedAmount;
  }

  /** What `sendFrame` takes: "jpeg" (an ArrayBuffer, for a server) or "bitmap" (an ImageBitmap, which it then owns). */
  get frameKind() {
    return this.#stream.frameKind;
  }

  /**
   * Open camera and microphone, and the stream. Each is a device id, "" for the default one, or null for none; `video`
   * shows the camera's picture (the one of the first call stays). Resolves with what could not be had,
   * [{device, reason}], or null where a `stop` came first. With no device at all the stream is closed again, and a
   * stream that closes releases them.
   */
  async start({ video = hiddenVideo(), camera = "", microphone = "" } = {}) {
    this.open();
    try {
      this.#capturing ??= this.#capture(video);
      const { capture, feed } = await this.#capturing;
      const problems = await capture.start({ camera, microphone });
      if (problems === null) return null;
      if (capture.hasCamera || capture.hasMicrophone) feed.start();
      else this.close();
      return problems;
    } catch (error) {
      this.stop(); // whatever it was: no device stays on unseen
      throw error;
    }
  }

  /** Release camera and microphone, and close the stream. */
  stop() {
    this.#release();
    this.close();
  }

  open() {
    this.#stream.open();
  }

  close() {
    this.#stream.close();
  }

  /** Send Int16Array of 16 kHz mono samples; return its id, or null where it was not sent. */
  sendAudio(samples) {
    checkSound(samples);
    return this.#stream.sendAudio(samples);
  }

  /** Send one picture, see `frameKind`; return its id, or null where it was not sent. */
  sendFrame(frame) {
    checkFrame(frame, this.frameKind);
    return this.#stream.sendFrame(frame);
  }

  /** Change this viewer's settings; they are sent again after a reconnect, and to another source. */
  configure(settings) {
    checkWish(settings);
    Object.assign(this.#settings, settings);
    this.#stream.configure(settings);
  }

  /**
   * "start" to learn how this viewer is when neutral, "skip" to stop that, "reset" to forget it; `calibration` events
   * follow. Only where `ready` has `features.calibration`. Returns whether it was sent; it is not sent again later.
   */
  calibrate(action) {
    return this.#stream.calibrate(action);
  }

  #release() {
    this.#capturing?.then(
      ({ capture, feed }) => {
        feed.stop();
        capture.stop();
      },
      () => (this.#capturing = null), // a file could not be fetched: the next `start` tries again
    );
  }

  async #capture(video) {
    const [{ Capture }, { Feed }] = await Promise.all([import("./capture.js"), import("./feed.js")]);
    const capture = new Capture(video);
    capture.addEventListener("device", ({ detail }) => this.#say("device", detail));
    return { capture, feed: new Feed(capture, this) };
  }

  #say(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
