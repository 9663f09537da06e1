/**
 * Camera and microphone: opening them, sound in 100 ms chunks, pictures as JPEG, saying when one goes.
 *
 * Events (all with `detail`):
 *   audio   {samples: Int16Array (16 kHz mono), level: RMS 0..1}
 *   device  {device: "camera" | "microphone", state: "live" | "muted" | "lost"}
 */

const FRAME_WIDTH = 480; // enough for a face at arm's length and a quarter of the bytes of 960
const JPEG_QUALITY = 0.8;

const KINDS = { camera: "video", microphone: "audio" };

const CONSTRAINTS = {
  camera: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } },
  // All three off on purpose. The voice model learned from untouched recordings: gain control flattens
  // the loudness that tells anger from sadness and lifts silence over the gate, noise suppression eats
  // breathy and whispered speech. Nothing is played back, so there is no echo to cancel.
  microphone: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false },
};

const REASONS = {
  NotAllowedError: "refused",
  SecurityError: "refused",
  NotFoundError: "missing",
  OverconstrainedError: "missing",
  NotReadableError: "busy",
  AbortError: "busy",
};

/** Can this page ask for devices at all? Returns null, "insecure" or "unsupported". */
export function obstacle() {
  if (!globalThis.isSecureContext) return "insecure";
  return navigator.mediaDevices?.getUserMedia && globalThis.AudioWorkletNode ? null : "unsupported";
}

/** The devices to choose from: {camera: [{id, name}], microphone: [...]}; names only after permission. */
export async function listDevices() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  const ofKind = (kind) =>
    devices.filter((d) => d.kind === kind && d.deviceId).map((d) => ({ id: d.deviceId, name: d.label }));
  return { camera: ofKind("videoinput"), microphone: ofKind("audioinput") };
}

export class Capture extends EventTarget {
  #video;
  #stream = null;
  #audio = null;
  #canvas = null;
  #encoding = false;
  #shownTime = -1;
  #turn = 0; // a start that was overtaken by a stop finds it changed

  /** @param {HTMLVideoElement} video where the preview plays; pictures are taken from it */
  constructor(video) {
    super();
    this.#video = video;
  }

  get hasCamera() {
    return this.#live("video");
  }

  get hasMicrophone() {
    return this.#live("audio");
  }

  /**
   * Ask for the devices and start them. `choice` maps `camera` and `microphone` to a device id, "" for
   * the default one, {ideal: id} for that or else another, or null for none. Returns what could not be had: [{device, reason}], reason being
   * "refused", "missing", "busy", "failed" or "unloaded" (a part of the page could not be fetched, which
   * waits for the server); whatever could be had is running. Returns null where a
   * `stop` came first.
   */
  async start(choice) {
    this.stop();
    const turn = this.#turn;
    const wanted = Object.keys(KINDS).filter((device) => choice[device] !== null);
    // What has to be loaded is loaded first: once the devices are on, nothing is waited for, so that
    // the page can say at once that they are.
    const audio = wanted.includes("microphone") ? await loadSound() : null;
    const within = wanted.filter((device) => device !== "microphone" || audio !== null);
    const opened = turn === this.#turn ? await openDevices(within, choice) : null;
    if (turn !== this.#turn) {
      opened?.stream.getTracks().forEach((track) => track.stop());
      audio?.close();
      return null;
    }
    const { stream, problems } = opened;
    this.#stream = stream;
    this.#audio = audio;
    stream.getTracks().forEach((track) => this.#watch(track));
    if (this.hasMicrophone) this.#startSound();
    if (this.hasCamera) this.#startPreview();
    const silent = wanted.includes("microphone") && !this.hasMicrophone;
    if (silent && !problems.some(({ device }) => device === "microphone")) {
      problems.push({ device: "microphone", reason: audio === null ? "unloaded" : "failed" });
    }
    return problems;
  }

  /** Release both devices; the browser's own recording lights go out. */
  stop() {
    this.#turn += 1;
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#audio?.close();
    this.#video.srcObject = null;
    this.#stream = null;
    this.#audio = null;
    this.#shownTime = -1;
  }

  /**
   * The camera's newest picture, or null: none, not a new one, or still busy. `kind` is "jpeg" (an ArrayBuffer) or
   * "bitmap" (an ImageBitmap).
   */
  async takeFrame(kind = "jpeg") {
    const { videoWidth, videoHeight, currentTime } = this.#video;
    if (!this.hasCamera || this.#encoding || videoWidth === 0 || currentTime === this.#shownTime) return null;
    this.#encoding = true;
    try {
      const width = Math.min(FRAME_WIDTH, videoWidth);
      const height = Math.round((width * videoHeight) / videoWidth);
      this.#canvas = resized(this.#canvas, width, height);
      this.#canvas.getContext("2d", { alpha: false }).drawImage(this.#video, 0, 0, width, height);
      this.#shownTime = currentTime;
      if (kind === "bitmap") return await createImageBitmap(this.#canvas);
      const jpeg = await toJpeg(this.#canvas);
      return await jpeg.arrayBuffer();
    } finally {
      this.#encoding = false;
    }
  }

  #startSound() {
    const tracks = this.#stream.getAudioTracks();
    try {
      const source = this.#audio.createMediaStreamSource(new MediaStream(tracks));
      const node = new AudioWorkletNode(this.#audio, "voice-capture");
      node.port.onmessage = ({ data }) => this.#say("audio", data);
      // The node outputs silence; it is joined to the speakers only because that is what drives it.
      source.connect(node).connect(this.#audio.destination);
      this.#audio.resume().catch(() => {}); // interrupted by a stop
    } catch {
      tracks.forEach((track) => track.stop()); // a microphone that nobody listens to is off
    }
  }

  #startPreview() {
    this.#video.srcObject = new MediaStream(this.#stream.getVideoTracks());
    this.#video.play().catch(() => {}); // interrupted by a stop
  }

  #live(kind) {
    return this.#stream?.getTracks().some((track) => track.kind === kind && track.readyState === "live") ?? false;
  }

  #watch(track) {
    const device = track.kind === "video" ? "camera" : "microphone";
    const tell = (state) => () => this.#say("device", { device, state });
    track.addEventListener("ended", tell("lost"));
    track.addEventListener("mute", tell("muted"));
    track.addEventListener("unmute", tell("live"));
  }

  #say(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** An AudioContext that knows the worklet, or null where that cannot be loaded. */
async function loadSound() {
  // At the device's own rate: Firefox refuses to join a stream to a context of another rate.
  const audio = new AudioContext();
  try {
    await audio.audioWorklet.addModule(new URL("./worklet.js", import.meta.url));
    return audio;
  } catch {
    audio.close();
    return null;
  }
}

/** Ask for all at once (one question to the user); where that fails, find out what can be had alone. */
async function openDevices(wanted, choice) {
  const constraints = (devices) =>
    Object.fromEntries(
      devices.map((device) => [
        KINDS[device],
        { ...CONSTRAINTS[device], ...(choice[device] && { deviceId: constraint(choice[device]) }) },
      ]),
    );
  const stream = new MediaStream();
  const problems = [];
  const add = async (devices) => {
    const opened = await navigator.mediaDevices.getUserMedia(constraints(devices));
    opened.getTracks().forEach((track) => stream.addTrack(track));
  };
  try {
    await add(wanted);
  } catch (error) {
    const askAlone = wanted.length > 1 ? await worthAskingAlone(wanted, error) : [];
    for (const device of wanted) {
      const failure = askAlone.includes(device) ? await add([device]).catch((e) => e) : error;
      if (failure) problems.push({ device, reason: reasonFor(failure) });
    }
  }
  return { stream, problems };
}

/** A device that was chosen is that one or none; one that is only hoped for, {ideal: id}, another may stand in for. */
function constraint(device) {
  return typeof device === "string" ? { exact: device } : device;
}

function reasonFor(error) {
  return REASONS[error.name] ?? "failed";
}

/** Who said no to both is not asked again for each; but one blocked device must not cost the other. */
async function worthAskingAlone(wanted, error) {
  if (reasonFor(error) !== "refused") return wanted;
  const states = await Promise.all(wanted.map(permission));
  const oneIsBlocked = states.includes("denied");
  return wanted.filter((_, i) => states[i] === "granted" || (oneIsBlocked && states[i] === "prompt"));
}

async function permission(device) {
  try {
    return (await navigator.permissions.query({ name: device })).state;
  } catch {
    return "unknown"; // a browser that cannot tell
  }
}

function resized(canvas, width, height) {
  if (canvas?.width === width && canvas.height === height) return canvas;
  if (globalThis.OffscreenCanvas) return new OffscreenCanvas(width, height);
  return Object.assign(document.createElement("canvas"), { width, height });
}

function toJpeg(canvas) {
  const type = "image/jpeg";
  if (canvas.convertToBlob) return canvas.convertToBlob({ type, quality: JPEG_QUALITY });
  return new Promise((resolve) => canvas.toBlob(resolve, type, JPEG_QUALITY));
}
