/** Late fusion of the two paths' probabilities, and the Top-k. */

import { LABELS } from "../labels.js";

/**
 * Fuse probabilities: `weight * voice + (1 - weight) * face`. Renormalises over what is there: one path alone is that
 * path, whatever its weight; none is null. Where a path cannot say every label, what the other alone can say keeps the
 * odds that this gives it, see `app.viewer.fusion.late_fusion`.
 */
export function lateFusion(voice, face, weight, voiceLabels = LABELS, faceLabels = LABELS) {
  if (voice === null || face === null) return voice ?? face;
  const isCommon = LABELS.map((label) => voiceLabels.includes(label) && faceLabels.includes(label));
  const common = (probs) => sum(LABELS.map((_, i) => (isCommon[i] ? probs[i] : 0)));
  const [commonVoice, commonFace] = [common(voice), common(face)];
  // Where both can say all labels, and where they give the common ones nothing, there is nothing to scale.
  const areScaled = isCommon.includes(false) && commonVoice + commonFace > 0;
  const fused = LABELS.map((_, i) => {
    const v = areScaled ? voice[i] * commonFace : voice[i];
    const f = areScaled ? face[i] * commonVoice : face[i];
    return areScaled && !isCommon[i] ? v + f : weight * v + (1 - weight) * f;
  });
  const whole = sum(fused);
  return Float32Array.from(fused, (p) => p / whole);
}

/** The labels that late fusion of what is there can name; the others are 0 whatever is heard and seen. */
export function sayable(voice, face, voiceLabels, faceLabels) {
  const said = [...(voice === null ? [] : voiceLabels), ...(face === null ? [] : faceLabels)];
  return LABELS.filter((label) => said.includes(label));
}

/** The label of the highest probability. */
export function topLabel(probs) {
  return LABELS[probs.indexOf(Math.max(...probs))];
}

/** The k most probable of some labels, first letter a capital, with their probabilities: [{label, prob}]. */
export function topK(probs, k = 5, labels = LABELS) {
  return LABELS.map((label, i) => ({ label, prob: probs[i] }))
    .filter(({ label }) => labels.includes(label))
    .sort((a, b) => b.prob - a.prob)
    .slice(0, k)
    .map(({ label, prob }) => ({ label: label[0].toUpperCase() + label.slice(1), prob }));
}

function sum(numbers) {
  return numbers.reduce((a, b) => a + b, 0);
}
