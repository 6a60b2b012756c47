// Times in; how long it usually takes, out.

const MAX_KEPT = 2_000;

export class Latencies {
  #timesMs = [];

  /** `{p50Ms, p95Ms}` of all so far. */
  add(timeMs) {
    this.#timesMs.push(timeMs);
    if (this.#timesMs.length > MAX_KEPT) this.#timesMs.shift();
    return this.typical;
  }

  get latestMs() {
    return this.#timesMs.at(-1);
  }

  get typical() {
    if (this.#timesMs.length === 0) return null;
    const sorted = this.#timesMs.toSorted((a, b) => a - b);
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
    return { p50Ms: at(0.5), p95Ms: at(0.95) };
  }
}
