/**
 * Due times `start + n * interval`, n = 1, 2, ... : a schedule that neither drifts nor piles up. Who comes late gets
 * the newest due time that has passed; those before it are missed, not made up for.
 */
export class Schedule {
  #interval;
  #start;
  #tick = 0;

  constructor(interval, start) {
    this.#interval = interval;
    this.#start = start;
  }

  /** The next due time, and how many due times were missed to get there. */
  next(now) {
    const following = this.#tick + 1;
    this.#tick = Math.max(following, Math.floor((now - this.#start) / this.#interval));
    return { due: this.#start + this.#tick * this.#interval, missed: this.#tick - following };
  }
}
