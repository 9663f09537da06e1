/** Which labels are in front. Pure. */

import { LABELS } from "./labels.js";

/**
 * A label that is less than this below the most probable one is level with it. Five points of a hundred: what the eye
 * hardly tells apart on a bar, and what comes and goes from one result to the next. Chosen, not measured.
 */
export const CLOSE = 0.05;

/**
 * Where the most probable label has less than this, twice what chance gives each of seven, none is in front of any other:
 * so it is with a fan or a hiss that is loud enough to be listened to.
 */
export const FAINT = 2 / LABELS.length;

/** @param probs of a result: {label: probability}; returns the labels in front, in the order of `LABELS`, [] of nothing */
export function leaders(probs) {
  const highest = Math.max(...Object.values(probs));
  if (highest < FAINT) return LABELS.filter((label) => probs[label] > 0);
  return LABELS.filter((label) => highest - probs[label] < CLOSE);
}
