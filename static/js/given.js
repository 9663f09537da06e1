/** What whoever embeds the stream gives it, looked at where it is given: later nobody would know whose fault it is. */

import { BOUNDS, RANGES } from "./device/settings.js";

const WHOLE = ["voice_smoothing", "face_smoothing"];

/** Settings that a viewer may change; what is left out, or null, stays. @throws {TypeError | RangeError} */
export function checkWish(wish) {
  checkSettings(wish, BOUNDS);
}

/** Settings of a device. @throws {TypeError | RangeError} */
export function checkDevice(settings) {
  checkSettings(settings, RANGES);
}

function checkSettings(settings, ranges) {
  for (const [name, value] of Object.entries(settings)) {
    if (!Object.hasOwn(ranges, name)) throw new TypeError(`there is no setting ${name}, but ${Object.keys(ranges)}`);
    if (value === null) continue;
    const [least, most] = ranges[name];
    const isNumber = WHOLE.includes(name) ? Number.isInteger(value) : typeof value === "number";
    if (!isNumber) throw new TypeError(`${name} is a ${WHOLE.includes(name) ? "whole " : ""}number, not ${value}`);
    if (!(value >= least && value <= most)) throw new RangeError(`${name} is from ${least} to ${most}, not ${value}`);
  }
}

/** @throws {TypeError} the samples are not Int16: what Web Audio has, Float32, would be taken for noise */
export function checkSound(samples) {
  if (kind(samples) !== "Int16Array") throw new TypeError(`sound is an Int16Array, not ${kind(samples)}`);
}

const FRAMES = { jpeg: ["ArrayBuffer"], bitmap: ["ImageBitmap", "ImageData"] };

/** @throws {TypeError} the frame is not of the kind that the stream takes, "jpeg" or "bitmap" */
export function checkFrame(frame, frameKind) {
  const fits = FRAMES[frameKind];
  if (!fits.includes(kind(frame))) throw new TypeError(`a frame is an ${fits.join(" or ")}, not ${kind(frame)}`);
}

/** What something is, also where it comes from another window. */
function kind(value) {
  return Object.prototype.toString.call(value).slice("[object ".length, -1);
}

/** The address of a server's stream; of a server alone, it is where ours has it. @throws {TypeError} it is none */
export function streamAddress(address) {
  const url = new URL(address);
  const scheme = { "http:": "ws:", "https:": "wss:", "ws:": "ws:", "wss:": "wss:" }[url.protocol];
  if (!scheme) throw new TypeError(`the stream's address begins with wss:// or ws://, not ${url.protocol}`);
  url.protocol = scheme;
  if (url.pathname === "/") url.pathname = "/ws";
  return url.href;
}

/** The address of a folder, relative to the page as every address there. @throws {TypeError} it is none */
export function folderAddress(address) {
  const url = new URL(address, globalThis.document?.baseURI);
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url.href;
}
