/** How a stream whose connection broke comes back: at once, then after pauses that grow. */

import { ClosedError, ConnectionLostError, mayPass } from "./errors.js";

export interface Returning {
  /** How long to try to come back after the connection broke; 0: not at all. */
  maxAwayMs?: number | undefined;
  /** Told when the connection was lost, and when it is there again. */
  onAway?: ((isAway: boolean) => void) | undefined;
}

const MAX_AWAY_MS = 60_000;
const FIRST_PAUSE_MS = 250;
const MAX_PAUSE_MS = 5_000;
/** A connection that lasted so long, or said something, was a good one: its loss is a new one. */
const STEADY_MS = 10_000;
/** Streams that were cut off together must not come back together. */
const JITTER = 0.5;

export class Returns {
  /** How often the connection was made again. */
  num = 0;
  readonly #url: string;
  readonly #maxAwayMs: number;
  readonly #onAway: (isAway: boolean) => void;
  #awaySinceMs: number | null = null;
  #numTries = 0;
  #giveUp = () => {};
  #isOver = false;

  constructor(url: string, { maxAwayMs = MAX_AWAY_MS, onAway = () => {} }: Returning) {
    this.#url = url;
    this.#maxAwayMs = maxAwayMs;
    this.#onAway = onAway;
  }

  /** What the connection said was of use. */
  isGood(): void {
    this.#awaySinceMs = null;
  }

  /** No more tries. */
  stop(): void {
    this.#isOver = true;
    this.#giveUp();
  }

  /**
   * The next connection, in place of one that was there since `sinceMs` and was lost.
   * @throws {ConnectionLostError} not in time.
   * @throws {ChorusError} the server is there, and wants no more of this stream.
   */
  async again<T>(connect: () => Promise<T>, sinceMs: number): Promise<T> {
    const now = performance.now();
    if (this.#awaySinceMs === null || now - sinceMs > STEADY_MS) {
      this.#awaySinceMs = now;
      this.#numTries = 0;
    }
    this.#onAway(true);
    while (true) {
      const grown = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#numTries++);
      await this.#pause(grown * (1 + JITTER * Math.random()));
      try {
        const connection = await connect();
        this.num++;
        this.#onAway(false);
        return connection;
      } catch (error) {
        if (!mayPass(error)) throw error;
      }
    }
  }

  async #pause(pauseMs: number): Promise<void> {
    const awayMs = performance.now() - (this.#awaySinceMs ?? 0);
    if (awayMs + pauseMs > this.#maxAwayMs) {
      throw new ConnectionLostError(this.#url, `not back within ${this.#maxAwayMs / 1000} s`);
    }
    if (!this.#isOver) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, pauseMs);
        this.#giveUp = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    if (this.#isOver) throw new ClosedError();
  }
}
