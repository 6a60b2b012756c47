/** Whether somebody speaks, in; when it is polite to, out. */

/** Somebody who goes on for longer is spoken over. */
const MAX_WAIT_MS = 10_000;

/** A sound that is played while somebody speaks cuts their sentence in two, and loses the half. */
export class Turn {
  readonly #maxWaitMs: number;
  #quiet: Promise<void> = Promise.resolve();
  #settle = () => {};

  constructor(maxWaitMs = MAX_WAIT_MS) {
    this.#maxWaitMs = maxWaitMs;
  }

  /** Settles when nobody speaks, or they have for too long. */
  get quiet(): Promise<void> {
    return this.#quiet;
  }

  speechStarted(): void {
    this.speechStopped();
    this.#quiet = new Promise((resolve) => {
      const timer = setTimeout(resolve, this.#maxWaitMs);
      this.#settle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  speechStopped(): void {
    this.#settle();
  }
}
