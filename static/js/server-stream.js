/**
 * The stream through a server: protocol, reconnecting, round-trip delay. No DOM, no devices. `emotion-stream.js` tells
 * what it does and which events it has; of these, `state` has a `reason` here:
 *
 *   waiting  "lost", "full" or "address_full"
 *   closed   "version", "token" (the server wants one, see `token`), or why the server refuses: "unauthorized",
 *            "origin_refused", "abuse", "too_big", "idle", "session_over", "refused"
 */

import { Delays } from "./delays.js";
import {
  PROTOCOL_VERSION,
  decode,
  encodeAudio,
  encodeAuthenticate,
  encodeCalibrate,
  encodeConfigure,
  encodeFrame,
} from "./protocol.js";

const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 15_000;
/** A full server stays so for seconds: asking it begins with the pause that follows so many attempts. */
const FULL_FROM_ATTEMPT = 2;
/** Who loses a stream that lasted so long begins anew to count attempts; one that is lost at once would be asked for ever. */
const STEADY_MS = 10_000;
const CONNECT_TIMEOUT_MS = 10_000;
/** A server says something twice a second; after this long without a word the line is dead, whatever waits to leave. */
const SILENT_LINE_MS = 10_000;
/** Two seconds of sound. What is older would only make the results late. */
const MAX_BUFFERED_BYTES = 65_536;

const REFUSED = 1008;
const TOO_BIG = 1009;
const FULL = 1013;

/** Milliseconds before attempt number `attempt` (from 0): exponential, with half of it left to chance. */
export function retryDelay(attempt, random = Math.random) {
  const ceiling = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** attempt);
  return ceiling * (0.5 + 0.5 * random());
}

export class ServerStream extends EventTarget {
  /** What `sendFrame` takes. */
  frameKind = "jpeg";
  /** What to show a server that asks who we are, or null. */
  token = null;
  #url;
  #socket = null;
  #ready = false;
  #attempt = 0;
  #timer = null;
  #readySince = 0;
  #nextId = 1;
  #delays = new Delays();
  #farewell = null; // the code of the error that a close follows
  #settings = {};

  constructor(url) {
    super();
    this.#url = url;
  }

  /** Bytes that wait to leave; a sender of pictures looks here first. */
  get bufferedAmount() {
    return this.#socket?.bufferedAmount ?? 0;
  }

  get isReady() {
    return this.#ready;
  }

  open() {
    if (this.#socket || this.#timer) return;
    this.#attempt = 0;
    globalThis.addEventListener?.("online", this.#retryNow);
    this.#connect();
  }

  close() {
    if (!this.#socket && !this.#timer) return; // already closed, perhaps for a reason that was told
    globalThis.removeEventListener?.("online", this.#retryNow);
    this.#disconnect(1000);
    this.#say("state", { state: "closed" });
  }

  /** Send Int16Array of 16 kHz mono samples; return its id, or null where it was not sent. */
  sendAudio(samples) {
    if (!this.#ready || this.bufferedAmount > MAX_BUFFERED_BYTES) return null;
    return this.#send(encodeAudio, samples);
  }

  /** Send one JPEG (ArrayBuffer); return its id, or null where it was not sent. */
  sendFrame(jpeg) {
    return this.#ready ? this.#send(encodeFrame, jpeg) : null;
  }

  /** Change this viewer's settings; they are sent again after a reconnect. */
  configure(settings) {
    Object.assign(this.#settings, settings);
    if (this.#ready) this.#socket.send(encodeConfigure(settings));
  }

  /**
   * "start" to learn how this viewer is when neutral, "skip" to stop that, "reset" to forget it; `calibration` events
   * follow. Only where `ready` has `features.calibration`. Returns whether it was sent; it is not sent again later.
   */
  calibrate(action) {
    if (this.#ready) this.#socket.send(encodeCalibrate(action));
    return this.#ready;
  }

  #send(encode, media) {
    const id = this.#nextId;
    this.#nextId += 1;
    this.#delays.sent(id, performance.now());
    this.#socket.send(encode(id, media));
    return id;
  }

  #connect() {
    this.#say("state", { state: "connecting" });
    const socket = new WebSocket(this.#url);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => this.#receive(decode(data));
    socket.onclose = ({ code }) => this.#closed(code);
    this.#socket = socket;
    this.#farewell = null;
    this.#waitAtMost(CONNECT_TIMEOUT_MS);
  }

  #receive(message) {
    if (this.#ready) this.#waitAtMost(SILENT_LINE_MS);
    if (message?.type === "ready") this.#welcome(message);
    else if (message?.type === "result") this.#result(message);
    else if (message?.type === "calibration") this.#say("calibration", message);
    else if (message?.type === "challenge") this.#authenticate();
    else if (message?.type === "error") {
      if (message.recoverable === false) this.#farewell = message.code;
      this.#say("problem", message);
    }
  }

  #authenticate() {
    if (this.token === null) this.#giveUp("token");
    else this.#socket.send(encodeAuthenticate(this.token));
  }

  #closed(code) {
    if (code === REFUSED) this.#giveUp(this.#farewell ?? "refused");
    else if (code === TOO_BIG) this.#giveUp("too_big"); // and would be again
    else this.#lost(code === FULL ? (this.#farewell ?? "full") : "lost");
  }

  #welcome(ready) {
    if (ready.protocol !== PROTOCOL_VERSION) {
      this.#giveUp("version");
      return;
    }
    this.#waitAtMost(SILENT_LINE_MS);
    this.#ready = true;
    this.#readySince = performance.now();
    if (Object.keys(this.#settings).length > 0) this.configure(this.#settings);
    this.#say("ready", ready);
    this.#say("state", { state: "open" });
  }

  #result(result) {
    this.#say("result", { result, delayMs: this.#delays.of(result.used, performance.now()) });
  }

  #lost(reason) {
    if (this.#ready && performance.now() - this.#readySince >= STEADY_MS) this.#attempt = 0;
    this.#disconnect();
    const retryInMs = retryDelay(this.#attempt + (reason === "lost" ? 0 : FULL_FROM_ATTEMPT));
    this.#attempt += 1;
    this.#timer = setTimeout(this.#retryNow, retryInMs);
    this.#say("state", { state: "waiting", retryInMs, reason });
  }

  #giveUp(reason) {
    globalThis.removeEventListener?.("online", this.#retryNow);
    this.#disconnect(1000);
    this.#say("state", { state: "closed", reason });
  }

  #retryNow = () => {
    if (this.#socket) return;
    this.#clearTimer();
    this.#connect();
  };

  /** Let go of the socket at once: on a dead line its own `close` event may take minutes. */
  #disconnect(code) {
    this.#clearTimer();
    this.#ready = false;
    this.#delays.clear();
    if (!this.#socket) return;
    this.#socket.onmessage = null;
    this.#socket.onclose = null;
    this.#socket.close(code);
    this.#socket = null;
  }

  #waitAtMost(millis) {
    this.#clearTimer();
    this.#timer = setTimeout(() => this.#lost("lost"), millis);
  }

  #clearTimer() {
    clearTimeout(this.#timer);
    this.#timer = null;
  }

  #say(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
