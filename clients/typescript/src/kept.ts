/** Audio of a stream that the server has not settled yet: kept, so that it can be sent once more. */

const MAX_TIMES = 4096;

export class KeptAudio {
  readonly #rateHz: number;
  #blocks: Int16Array<ArrayBuffer>[] = [];
  #sentAt: { sample: number; atMs: number }[] = [];
  #firstSample = 0;
  #numSamples = 0;
  #numAsked = 0;

  constructor(rateHz: number) {
    this.#rateHz = rateHz;
  }

  /** Audio of the stream so far. */
  get sentS(): number {
    return this.#numSamples / this.#rateHz;
  }

  get keptS(): number {
    return (this.#numSamples - this.#firstSample) / this.#rateHz;
  }

  /** Where in the stream what is kept begins. */
  get firstS(): number {
    return this.#firstSample / this.#rateHz;
  }

  get blocks(): readonly Int16Array<ArrayBuffer>[] {
    return this.#blocks;
  }

  add(pcm: Int16Array<ArrayBuffer>, nowMs: number): void {
    this.#blocks.push(pcm);
    this.#numSamples += pcm.length;
    this.#sentAt.push({ sample: this.#numSamples, atMs: nowMs });
    if (this.#sentAt.length > MAX_TIMES) this.#sentAt.shift();
  }

  /** Audio handed over since then, in seconds, as far as nobody has asked when it was. */
  sentSinceS(thenMs: number): number {
    const first = this.#sentAt.find(({ atMs }) => atMs >= thenMs);
    return first ? (this.#numSamples - first.sample) / this.#rateHz : 0;
  }

  /** Forget what lies before `timeS` of the stream. */
  dropBefore(timeS: number): void {
    const first = Math.min(Math.round(timeS * this.#rateHz), this.#numSamples);
    while (first > this.#firstSample) {
      const block = this.#blocks.shift();
      if (!block) break;
      const rest = block.subarray(first - this.#firstSample);
      this.#firstSample += block.length - rest.length;
      if (rest.length > 0) this.#blocks.unshift(rest);
    }
  }

  /**
   * When the audio up to `timeS` was first handed over; null where that was asked before, as it is
   * of audio that had to be sent again.
   */
  sentAtMs(timeS: number): number | null {
    const sample = Math.round(timeS * this.#rateHz);
    if (sample <= this.#numAsked) return null;
    this.#numAsked = sample;
    while (this.#sentAt[0] && this.#sentAt[0].sample < sample) this.#sentAt.shift();
    return this.#sentAt[0]?.atMs ?? null;
  }
}
