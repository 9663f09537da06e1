/** The silence gate: is there voice worth asking the model about? */

/** Root mean square of Int16 samples, as a fraction of full scale; 0 for none. */
export function rms(samples) {
  if (samples.length === 0) return 0;
  const energy = samples.reduce((sum, sample) => sum + sample * sample, 0);
  return Math.min(1, Math.sqrt(energy / samples.length) / 32768);
}

/** Whether the RMS of the samples is below the threshold (0 to 1). */
export function isSilence(samples, threshold) {
  return rms(samples) < threshold;
}
