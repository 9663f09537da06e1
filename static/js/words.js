/** Everything that the page says in words about labels, states and things that went wrong. */

import { LABELS } from "./labels.js";

export { LABELS };

const STATES = {
  voice: {
    ok: "Hearing a voice",
    silence: "Silence",
    warming: "Warming up",
    absent: "No sound arrives",
  },
  face: {
    ok: "Face found",
    no_face: "No face in the picture",
    stale: "Picture is out of date",
    absent: "No picture arrives",
  },
  fused: {
    ok: "Voice and face",
    voice_only: "Voice only",
    face_only: "Face only",
    none: "Nothing to go by yet",
  },
};

const NAMES = { camera: "The camera", microphone: "The microphone" };

const DEVICE_PROBLEMS = {
  refused: "is not allowed. Allow it with the icon in the address bar, then start again.",
  missing: "was not found. Plug one in or choose another.",
  busy: "is in use by another program. Close that program, then start again.",
  failed: "could not be started. Choose another, or reload the page.",
  unloaded: "starts when the server is back.",
  muted: "gives nothing at the moment: it is muted or covered by the system.",
  lost: "was unplugged or turned off. Plug it in again or choose another.",
};

const BOTH_REFUSED =
  "The camera and the microphone are not allowed. Allow them with the icon in the address bar, then press Start again.";

const OBSTACLES = {
  insecure:
    "Browsers allow the camera and the microphone only on secure pages. Open this page with https:// or, on the " +
    "computer that runs the server, as http://localhost.",
  unsupported: "This browser cannot capture sound and pictures. Please use a current Chrome, Edge, Firefox or Safari.",
};

const WAITING = {
  lost: "Connection lost. Reconnecting\u2026",
  full: "The server is full. This page waits for a place by itself; Stop turns the devices off.",
  address_full:
    "The server takes no more viewers from your network. This page waits for a place by itself; Stop turns the devices off.",
};

const CLOSED = {
  refused: "The server does not accept this page. Open it from the server's own address.",
  token: null, // the page asks for it
  unauthorized: null, // once more
  abuse: "The server ended the connection, because it could not use what this page sent. Please reload the page.",
  too_big: "The server ended the connection, because it takes only smaller pictures than this page sends.",
  idle: "The server ended the connection, because nothing was sent for a while. Press Start to go on.",
  session_over: "The time that this server gives to one session is over. Press Start for another.",
  version: "This page and the server are of different versions. Please reload the page.",
  device: null, // the problem that was told before says why
};

const DEVICE_STATES = { connecting: "Loading the models", open: "On this device", closed: "Not running" };

const PLACES = {
  server: "Pictures and sound go to the server, which forgets them within seconds.",
  device:
    "Pictures and sound stay in this page: nothing is sent. The models are fetched once, kept by this browser, and then " +
    "work offline.",
};

/** What stands below the switch; while the models load, {loaded, total} bytes of them. */
export function placeWords(place, { loaded, total } = {}) {
  if (place !== "loading") return PLACES[place];
  return `Loading the models: ${megabytes(loaded)} of ${megabytes(total)}\u202fMB, once.`;
}

const megabytes = (bytes) => (bytes / 1e6).toFixed(1);

export function capitalise(label) {
  return label.charAt(0).toUpperCase() + label.slice(1);
}

export function percent(probability) {
  return `${Math.round(probability * 100)}\u202f%`;
}

/** What a card says of the labels in front, see leaders.js; the same words whichever of two is ahead by a hair. */
export function verdictWords(leading) {
  if (leading.length === 0) return "\u2013";
  return leading.length > 2 ? "None stands out" : capitalise(leading.join(" or "));
}

/** What stands beside it: how probable the one in front is, or that it is not the only one. */
export function confidenceWords(leading, probs) {
  return leading.length > 1 ? "close" : leading.map((label) => percent(probs[label])).join("");
}

/** The models by name, as the server's `ready` has them. */
export function modelWords({ voice, face, fusion }) {
  return `Models: ${voice} (voice), ${face} (face)${fusion ? `, ${fusion} (fusion)` : ""}.`;
}

/** The labels that each card can ever show, by the server's `knows`; together, those that any model can say. */
export function labelsKnown({ voice = LABELS, face = LABELS, fusion } = {}) {
  return { voice, face, fused: LABELS.filter((label) => [voice, face, fusion].some((known) => known?.includes(label))) };
}

/** Why a label is greyed on a card. */
export function unknownWords(path) {
  return path === "fused" ? "No model of this server knows this label" : `The ${path} model does not know this label`;
}

/**
 * What a path's state means; in silence the voice's last words go on being shown for a while. `weight` is
 * the fusion weight, null where a model fuses: at its ends one path counts for nothing, although it is there.
 * `by` is what fused: late fusion stands in for a model that has no answer.
 */
export function stateWords(path, state, label, weight, by) {
  if (state === "silence" && label !== null) return "Silence, last heard";
  if (path === "fused" && state === "ok" && weight === 1) return "Voice only, by weight";
  if (path === "fused" && state === "ok" && weight === 0) return "Face only, by weight";
  if (path === "fused" && by === "late" && weight === null) return "Voice and face, late fusion";
  return STATES[path][state] ?? capitalise(state.replaceAll("_", " "));
}

export function deviceWords(device, reason) {
  return `${NAMES[device]} ${DEVICE_PROBLEMS[reason]}`;
}

/** Sentences about what `Capture.start` could not have: [[subject, sentence]]; one for one and the same refusal. */
export function startWords(problems) {
  const bothRefused = problems.length === 2 && problems.every(({ reason }) => reason === "refused");
  if (bothRefused) return [["devices", BOTH_REFUSED]];
  return problems.map(({ device, reason }) => [device, deviceWords(device, reason)]);
}

export function obstacleWords(obstacle) {
  return OBSTACLES[obstacle];
}

/**
 * For the connection's `state` events: {short: for its own card, problem: sentence or null}. The sentence is
 * the same at every attempt: a changed one would be spoken again, and come back after it was dismissed.
 */
export function connectionWords({ state, reason, source }) {
  if (source === "device") return { short: DEVICE_STATES[state], problem: null };
  if (state === "connecting") return { short: "Connecting", problem: null };
  if (state === "open") return { short: "Connected", problem: null };
  if (state === "closed") return { short: "Not connected", problem: closedWords(reason) };
  return { short: reason === "lost" ? "Reconnecting" : "Server is full", problem: WAITING[reason] ?? WAITING.full };
}

/** Without a reason it was the user; a reason that this page does not know is a refusal. */
function closedWords(reason) {
  if (!reason) return null;
  return CLOSED[reason] === undefined ? CLOSED.refused : CLOSED[reason];
}

/** Where the user has none to enter. */
export const NO_ACCESS_CODE = "This server gives results to those alone who have its access code. Press Start to enter it.";

/** What the page says where the server asks who we are. */
export function accessWords(isWrong) {
  return isWrong
    ? "That was not the access code of this server. Please try again."
    : "This server asks for an access code. Whoever runs it can tell you. It is kept in this tab alone, until you close it.";
}

const BY_SHARE = {
  voice: ["no voice was heard", "the voice was heard too briefly"],
  face: ["no face was seen", "the face was seen too briefly"],
};

/** What the card says for the server's `calibration` message: what is in force, or what was missing. */
export function calibrationWords({ state, voice, face, heard, seen }) {
  const collecting = [heard !== null && "listening", seen !== null && "looking"].filter(Boolean).join(" and ");
  if (state === "collecting") return `${capitalise(collecting)}: read on until the bar is full`;
  const known = [voice && "your voice", face && "your face"].filter(Boolean).join(" and ");
  // A path that cannot be calibrated, null, is never missed.
  const lack = (path, share) => (share === null ? null : BY_SHARE[path][share > 0 ? 1 : 0]);
  if (state === "failed") {
    const why = [lack("voice", heard), lack("face", seen)].filter(Boolean).join(", and ");
    return known ? `Failed: ${why}. Still in force for ${known}` : `Failed: ${why}`;
  }
  if (state === "done") {
    const why = [voice ? null : lack("voice", heard), face ? null : lack("face", seen)].filter(Boolean);
    return [`In force for ${known}`, ...why].join("; ");
  }
  return "Not calibrated";
}

/** What the sign says, in three parts (a narrow screen leaves out the devices), or null with no device on. */
export function signWords({ camera, microphone }, connected) {
  const devices = [camera && "camera", microphone && "microphone"].filter(Boolean).join(" and ");
  if (devices === "") return null;
  return connected ? ["Analysing ", devices, ""] : ["", capitalise(devices), " on, not connected"];
}
