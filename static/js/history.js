/** The results of the last minute. Pure: the time is passed in, in milliseconds. */

export const SPAN_MS = 60_000;

export class History {
  #entries = [];

  /** Remember what a result says; a path without a word has label null. */
  add(now, { voice, face, fused }) {
    this.#entries.push({ at: now, voice: voice.label, face: face.label, fused: fused.label, probs: fused.probs });
  }

  /** Entries of the last minute, oldest first: {at, voice, face, fused, probs}. */
  recent(now) {
    while (this.#entries.length > 0 && this.#entries[0].at < now - SPAN_MS) this.#entries.shift();
    return this.#entries;
  }

  /** The fused label that was seen most and its share of the results that had one, or null. */
  mostly(now) {
    const said = this.recent(now).filter(({ fused }) => fused !== null);
    const counts = new Map();
    for (const { fused } of said) counts.set(fused, (counts.get(fused) ?? 0) + 1);
    const [label, count] = [...counts].sort((a, b) => b[1] - a[1])[0] ?? [null, 0];
    return label && { label, share: count / said.length };
  }
}
