/** The settings of a session: names and defaults are those of `app/settings.py`, bounds those of `ready.limits`. */

export const DEFAULTS = {
  fusion_weight: 0.6,
  voice_smoothing: 5,
  face_smoothing: 10,
  result_interval: 0.5,
  voice_window: 1.0,
  silence_rms: 0.002,
  stale_after: 2.0,
  calibration_seconds: 8.0,
};

/** What a viewer may set. */
export const BOUNDS = { fusion_weight: [0, 1], voice_smoothing: [1, 50], face_smoothing: [1, 50] };

/** Whether what a viewer wants to set (what is left out, or null, stays) is within the bounds. */
export function isWithinBounds(wish) {
  return Object.entries(BOUNDS).every(([name, [least, most]]) => {
    const value = wish[name] ?? least;
    const isWhole = name === "fusion_weight" || Number.isInteger(value);
    return isWhole && value >= least && value <= most;
  });
}
