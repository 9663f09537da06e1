/** The wire format, version 1: what the page sends and how it reads what comes back. */

export const PROTOCOL_VERSION = 1;

const PCM16 = 0x01;
const JPEG = 0x02;
const HEADER_BYTES = 5; // kind, then the id as a little-endian unsigned 32-bit number

function encodeMedia(kind, id, bytes) {
  const message = new Uint8Array(HEADER_BYTES + bytes.byteLength);
  message[0] = kind;
  new DataView(message.buffer).setUint32(1, id, true);
  message.set(bytes, HEADER_BYTES);
  return message;
}

/** Int16Array of 16 kHz mono samples -> one binary message. (Every browser's platform is little-endian.) */
export function encodeAudio(id, samples) {
  return encodeMedia(PCM16, id, new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength));
}

/** ArrayBuffer of one JPEG -> one binary message. */
export function encodeFrame(id, jpeg) {
  return encodeMedia(JPEG, id, new Uint8Array(jpeg));
}

/** Settings (`fusion_weight`, `voice_smoothing`, `face_smoothing`, any of them) -> one text message. */
export function encodeConfigure(settings) {
  return JSON.stringify({ type: "configure", ...settings });
}

/** "start", "skip" or "reset" -> one text message. */
export function encodeCalibrate(action) {
  return JSON.stringify({ type: "calibrate", action });
}

/** The server's token -> one text message. */
export function encodeAuthenticate(token) {
  return JSON.stringify({ type: "authenticate", token });
}

/** One text message -> object with a `type`, or null where it is not one of ours. */
export function decode(text) {
  try {
    const message = JSON.parse(text);
    return typeof message?.type === "string" ? message : null;
  } catch {
    return null;
  }
}
