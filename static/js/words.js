/** Everything that the page says in words about labels, states and things that went wrong. */

export const LABELS = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"];

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
  refused: "is not allowed. Allow it with the icon in the address bar, then press Start again.",
  missing: "was not found. Plug one in or choose another.",
  busy: "is in use by another program. Close that program, then press Start again.",
  failed: "could not be started. It is tried again as soon as the server answers; or choose another.",
  muted: "gives nothing at the moment: it is muted or covered by the system.",
  lost: "was unplugged or turned off. Plug it in again or choose another.",
};

const OBSTACLES = {
  insecure:
    "Browsers allow the camera and the microphone only on secure pages. Open this page with https:// or, on the " +
    "computer that runs the server, as http://localhost.",
  unsupported: "This browser cannot capture sound and pictures. Please use a current Chrome, Edge, Firefox or Safari.",
};

const CLOSED = {
  refused: "The server does not accept this page. Open it from the server's own address.",
  version: "This page and the server are of different versions. Please reload the page.",
};

export function capitalise(label) {
  return label.charAt(0).toUpperCase() + label.slice(1);
}

export function percent(probability) {
  return `${Math.round(probability * 100)}\u202f%`;
}

/** What a path's state means; in silence the voice's last words go on being shown for a while. */
export function stateWords(path, state, label) {
  if (state === "silence" && label !== null) return "Silence, last heard";
  return STATES[path][state] ?? capitalise(state.replaceAll("_", " "));
}

export function deviceWords(device, reason) {
  return `${NAMES[device]} ${DEVICE_PROBLEMS[reason]}`;
}

export function obstacleWords(obstacle) {
  return OBSTACLES[obstacle];
}

/** For the connection's `state` events: {short: for its own card, problem: sentence or null}. */
export function connectionWords({ state, reason }) {
  if (state === "connecting") return { short: "Connecting", problem: null };
  if (state === "open") return { short: "Connected", problem: null };
  if (state === "closed") return { short: "Not connected", problem: CLOSED[reason] ?? null };
  // The same words for every attempt: a note that counts seconds would be read aloud again and again.
  const full = "The server is full. This page waits for a place by itself; Stop turns the devices off.";
  return { short: "Reconnecting", problem: reason === "full" ? full : "The connection to the server is lost. Reconnecting." };
}

/** What is on: "camera and microphone", "camera", "microphone". */
export function devicesWords({ camera, microphone }) {
  return [camera && "camera", microphone && "microphone"].filter(Boolean).join(" and ");
}
