/** On the audio thread: what the microphone hears, at any rate, in; blocks of PCM16 out. */

import { Resampler } from "./resample.js";

/** What a recorder is sent. */
export interface Block {
  pcm: Int16Array<ArrayBuffer>;
  isLast: boolean;
}

// Of `AudioWorkletGlobalScope`, which TypeScript's DOM library leaves out.
declare const sampleRate: number;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;

const RATE_HZ = 16_000;
/** 40 ms. */
const BLOCK_SAMPLES = 640;

class Blocks extends AudioWorkletProcessor {
  readonly #resampler = sampleRate === RATE_HZ ? null : new Resampler(sampleRate, RATE_HZ);
  #block = new Int16Array(BLOCK_SAMPLES);
  #numFilled = 0;
  #isOver = false;

  constructor() {
    super();
    this.port.onmessage = () => this.#finish();
  }

  process([channels = []]: Float32Array[][]): boolean {
    if (this.#isOver) return false;
    if (channels.length > 0) {
      const mono = mixed(channels);
      this.#take(this.#resampler ? this.#resampler.push(mono) : mono);
    }
    return true;
  }

  #finish(): void {
    if (this.#resampler) this.#take(this.#resampler.rest());
    this.#isOver = true;
    this.#post({ pcm: this.#block.slice(0, this.#numFilled), isLast: true });
  }

  #take(samples: Iterable<number>): void {
    for (const sample of samples) {
      this.#block[this.#numFilled++] = Math.round(Math.max(-1, Math.min(1, sample)) * 32_767);
      if (this.#numFilled === BLOCK_SAMPLES) {
        this.#post({ pcm: this.#block, isLast: false });
        this.#block = new Int16Array(BLOCK_SAMPLES);
        this.#numFilled = 0;
      }
    }
  }

  #post(block: Block): void {
    this.port.postMessage(block, [block.pcm.buffer]);
  }
}

function mixed(channels: Float32Array[]): Float32Array {
  const [first = new Float32Array()] = channels;
  if (channels.length === 1) return first;
  return first.map((_, index) => {
    let sum = 0;
    for (const channel of channels) sum += channel[index] as number;
    return sum / channels.length;
  });
}

registerProcessor("chorus-blocks", Blocks);
