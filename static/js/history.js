/** The results of the last minute. Pure: the time is passed in, in milliseconds. */

export const SPAN_MS = 60_000;

/** A longer pause than this between results, sent every `intervalMs`, is a gap in what is drawn. */
function longestPause(intervalMs) {
  return Math.max(2000, 2.5 * intervalMs);
}

export class History {
  #entries = [];
  #pause = longestPause(0);

  /** Results come every `intervalMs`: the server's setting. */
  expectEvery(intervalMs) {
    this.#pause = longestPause(intervalMs);
  }

  /** Is the time between these two so long that nothing is known of it? */
  isGap(from, to) {
    return to - from > this.#pause;
  }

  /** Remember what a result says; a path without a word has label null. */
  add(now, { voice, face, fused }) {
    this.#entries.push({ at: now, voice: voice.label, face: face.label, fused: fused.label, probs: fused.probs });
  }

  /** Entries of the last minute, oldest first: {at, voice, face, fused, probs}. */
  recent(now) {
    while (this.#entries.length > 0 && this.#entries[0].at < now - SPAN_MS) this.#entries.shift();
    return this.#entries;
  }

  /** The last minute of one path, neighbours of one label joined, without what had none: [{label, from, to}]. */
  runs(path, now) {
    const entries = this.recent(now);
    const joined = [];
    entries.forEach((entry, i) => {
      const to = Math.min(entries[i + 1]?.at ?? now, entry.at + this.#pause);
      const last = joined.at(-1);
      if (last?.label === entry[path] && last.to === entry.at) last.to = to;
      else joined.push({ label: entry[path], from: entry.at, to });
    });
    return joined.filter(({ label }) => label !== null);
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
