/** The settings of a session: names and defaults are those of `app/settings.py`, ranges theirs there and in `ready.limits`. */

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

/** What they may be; besides, `stale_after` is at least twice `result_interval`. */
export const RANGES = {
  ...BOUNDS,
  result_interval: [0.1, 5],
  voice_window: [0.5, 4],
  silence_rms: [0, 1],
  stale_after: [0.5, 60],
  calibration_seconds: [3, 30],
};
