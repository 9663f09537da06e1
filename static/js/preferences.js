/**
 * What the user has set on this page, kept by this browser over a reload: {fusion_weight, voice_smoothing,
 * face_smoothing, camera, microphone}, each only where it was set. A device is its id, a random text that the browser
 * makes for this page's address alone, or "none". See docs/page.md.
 */

/** In `localStorage`; the value is JSON. */
export const KEY = "preferences";

const LONGEST_ID = 512;
const isDevice = (value) => typeof value === "string" && value !== "" && value.length <= LONGEST_ID;
const MEANINGFUL = {
  fusion_weight: Number.isFinite,
  voice_smoothing: Number.isInteger,
  face_smoothing: Number.isInteger,
  camera: isDevice,
  microphone: isDevice,
};

/** What is kept; nothing where a browser forbids that, and of what others have written there only what makes sense. */
export function recall() {
  return understood(attempt(() => localStorage.getItem(KEY)));
}

/** Keep some of them besides; null, and "" for the default device, forget one. */
export function keep(changes) {
  const text = JSON.stringify({ ...recall(), ...changes });
  const kept = understood(text);
  attempt(() =>
    Object.keys(kept).length > 0 ? localStorage.setItem(KEY, JSON.stringify(kept)) : localStorage.removeItem(KEY),
  );
}

function understood(text) {
  const kept = attempt(() => JSON.parse(text));
  const names = Object.keys(MEANINGFUL).filter((name) => MEANINGFUL[name](kept?.[name]));
  return Object.fromEntries(names.map((name) => [name, kept[name]]));
}

/** Null where it cannot be had. */
function attempt(use) {
  try {
    return use() ?? null;
  } catch {
    return null;
  }
}
