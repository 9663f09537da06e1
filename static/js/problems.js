/** What is wrong at the moment, by subject. Pure: the time is passed in, in milliseconds. */

/** What happens again and again within this time is one problem that stands, not many that flicker. */
export const LINGER_MS = 5000;

export class Problems {
  #entries = new Map(); // subject -> {sentence, until, dismissed}, oldest first

  /** A state: it stands until it is taken back with null. */
  set(subject, sentence) {
    if (sentence === null) this.#entries.delete(subject);
    else this.#put(subject, sentence, Infinity);
  }

  /** An event: it stands until it has not happened again for a while. */
  happened(subject, sentence, now) {
    this.#put(subject, sentence, now + LINGER_MS);
  }

  /** The user has read it; it comes back when it says something else, or after it had gone. */
  dismiss(subject) {
    const entry = this.#entries.get(subject);
    if (entry) entry.dismissed = true;
  }

  /** Map of subject -> sentence, oldest first. */
  standing(now) {
    for (const [subject, { until }] of this.#entries) if (now >= until) this.#entries.delete(subject);
    const shown = [...this.#entries].filter(([, { dismissed }]) => !dismissed);
    return new Map(shown.map(([subject, { sentence }]) => [subject, sentence]));
  }

  #put(subject, sentence, until) {
    const before = this.#entries.get(subject);
    const dismissed = before?.sentence === sentence && before.dismissed;
    this.#entries.set(subject, { sentence, until, dismissed });
  }
}
