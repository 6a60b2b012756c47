// Blocks of PCM16 that were handed over, in; those that may have to be sent again, and how long ago
// the audio up to some second was handed over, out.

import { RATE_HZ } from "./recorder.js";

export class Sent {
  #blocks = [];
  #from = 0; // where the kept blocks begin, in samples of the whole stream
  #to = 0;
  #at = []; // [samples, time]: when each block was handed over

  add(pcm) {
    this.#blocks.push(pcm);
    this.#to += pcm.length;
    this.#at.push([this.#to, performance.now()]);
  }

  /** What is kept, oldest first. */
  get blocks() {
    return this.#blocks;
  }

  get fromS() {
    return this.#from / RATE_HZ;
  }

  get keptS() {
    return (this.#to - this.#from) / RATE_HZ;
  }

  /** All before `untilS` need not be sent again. */
  forget(untilS) {
    const until = Math.round(untilS * RATE_HZ);
    while (this.#blocks.length && this.#from + this.#blocks[0].length <= until) {
      this.#from += this.#blocks.shift().length;
    }
    if (this.#from < until && this.#blocks.length) {
      this.#blocks[0] = this.#blocks[0].subarray(until - this.#from);
      this.#from = until;
    }
  }

  /** Leave no more than the last `limitS`. */
  limit(limitS) {
    if (this.keptS > limitS) this.forget(this.#to / RATE_HZ - limitS);
  }

  /** How long ago the audio up to `heardS` was handed over, in milliseconds; who asks goes forward. */
  latencyMs(heardS, nowMs = performance.now()) {
    const samples = Math.round(heardS * RATE_HZ);
    while (this.#at.length > 1 && this.#at[0][0] < samples) this.#at.shift();
    const [first] = this.#at;
    return first && first[0] >= samples ? nowMs - first[1] : null;
  }
}
