/** Samples at one rate, in pieces of any length, in; at another rate, out. */

const ZERO_CROSSINGS = 16;
/** Of the band; the filter needs the rest to fall. */
const PASSED = 0.94;

/** Windowed-sinc resampling by a ratio of whole numbers: one kernel for each phase. */
export class Resampler {
  readonly #up: number;
  readonly #down: number;
  readonly #reach: number;
  readonly #kernels: Float32Array[];
  #held: Float32Array;
  /** Of the next output, in what is held. */
  #position: number;
  #phase = 0;

  constructor(fromHz: number, toHz: number) {
    const divisor = greatestCommonDivisor(fromHz, toHz);
    this.#up = toHz / divisor;
    this.#down = fromHz / divisor;
    const cutoff = Math.min(1, toHz / fromHz) * PASSED;
    const reach = Math.ceil(ZERO_CROSSINGS / cutoff);
    this.#reach = reach;
    this.#kernels = Array.from({ length: this.#up }, (_, phase) =>
      kernel(phase / this.#up, cutoff, reach),
    );
    this.#held = new Float32Array(reach - 1);
    this.#position = reach - 1;
  }

  push(input: Float32Array): number[] {
    const samples = new Float32Array(this.#held.length + input.length);
    samples.set(this.#held);
    samples.set(input, this.#held.length);
    const output: number[] = [];
    while (this.#position + this.#reach < samples.length) {
      const taps = this.#kernels[this.#phase] as Float32Array;
      const first = this.#position - this.#reach + 1;
      let sum = 0;
      for (let tap = 0; tap < taps.length; tap++) {
        sum += (taps[tap] as number) * (samples[first + tap] as number);
      }
      output.push(sum);
      this.#phase += this.#down;
      this.#position += Math.floor(this.#phase / this.#up);
      this.#phase %= this.#up;
    }
    const kept = Math.min(samples.length, this.#position - this.#reach + 1);
    this.#held = samples.slice(kept);
    this.#position -= kept;
    return output;
  }

  /** What the last samples still owe. */
  rest(): number[] {
    return this.push(new Float32Array(this.#reach));
  }
}

function kernel(fraction: number, cutoff: number, reach: number): Float32Array {
  return Float32Array.from({ length: 2 * reach }, (_, tap) => {
    const distance = tap - reach + 1 - fraction;
    const window = 0.5 + 0.5 * Math.cos((Math.PI * distance) / reach);
    const angle = Math.PI * cutoff * distance;
    return cutoff * window * (angle === 0 ? 1 : Math.sin(angle) / angle);
  });
}

function greatestCommonDivisor(first: number, second: number): number {
  return second === 0 ? first : greatestCommonDivisor(second, first % second);
}
