// Samples of any rate in, blocks of PCM16 at 16 kHz out. Runs on the audio thread.

const RATE_HZ = 16000;
const BLOCK_SAMPLES = 640; // 40 ms
const ZERO_CROSSINGS = 16;
const PASSED = 0.94; // of the band; the filter needs the rest to fall

/** Windowed-sinc resampling by a ratio of whole numbers: one kernel for each phase. */
class Resampler {
  constructor(fromHz, toHz) {
    const divisor = greatestCommonDivisor(fromHz, toHz);
    this.up = toHz / divisor;
    this.down = fromHz / divisor;
    const cutoff = Math.min(1, toHz / fromHz) * PASSED;
    this.reach = Math.ceil(ZERO_CROSSINGS / cutoff);
    this.kernels = Array.from({ length: this.up }, (_, phase) => this.kernel(phase / this.up, cutoff));
    this.held = new Float32Array(this.reach - 1);
    this.position = this.reach - 1; // of the next output, in `held`
    this.phase = 0;
  }

  kernel(fraction, cutoff) {
    return Float32Array.from({ length: 2 * this.reach }, (_, tap) => {
      const distance = tap - this.reach + 1 - fraction;
      const window = 0.5 + 0.5 * Math.cos((Math.PI * distance) / this.reach);
      const angle = Math.PI * cutoff * distance;
      return cutoff * window * (angle === 0 ? 1 : Math.sin(angle) / angle);
    });
  }

  push(input) {
    const samples = new Float32Array(this.held.length + input.length);
    samples.set(this.held);
    samples.set(input, this.held.length);
    const output = [];
    while (this.position + this.reach < samples.length) {
      const kernel = this.kernels[this.phase];
      const first = this.position - this.reach + 1;
      let sum = 0;
      for (let tap = 0; tap < kernel.length; tap++) sum += kernel[tap] * samples[first + tap];
      output.push(sum);
      this.phase += this.down;
      this.position += Math.floor(this.phase / this.up);
      this.phase %= this.up;
    }
    const kept = Math.min(samples.length, this.position - this.reach + 1);
    this.held = samples.slice(kept);
    this.position -= kept;
    return output;
  }

  /** What the last samples still owe. */
  rest() {
    return this.push(new Float32Array(this.reach));
  }
}

class Blocks extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = sampleRate === RATE_HZ ? null : new Resampler(sampleRate, RATE_HZ);
    this.block = new Int16Array(BLOCK_SAMPLES);
    this.filled = 0;
    this.isOver = false;
    this.port.onmessage = () => this.finish();
  }

  process([channels]) {
    if (this.isOver) return false;
    if (channels.length > 0) {
      const mono = mixed(channels);
      this.take(this.resampler ? this.resampler.push(mono) : mono);
    }
    return true;
  }

  finish() {
    if (this.resampler) this.take(this.resampler.rest());
    this.isOver = true;
    this.port.postMessage({ pcm: this.block.slice(0, this.filled), isLast: true });
  }

  take(samples) {
    for (const sample of samples) {
      this.block[this.filled++] = Math.round(Math.max(-1, Math.min(1, sample)) * 32767);
      if (this.filled === BLOCK_SAMPLES) {
        this.port.postMessage({ pcm: this.block, isLast: false }, [this.block.buffer]);
        this.block = new Int16Array(BLOCK_SAMPLES);
        this.filled = 0;
      }
    }
  }
}

function mixed(channels) {
  if (channels.length === 1) return channels[0];
  return channels[0].map((_, index) => {
    let sum = 0;
    for (const channel of channels) sum += channel[index];
    return sum / channels.length;
  });
}

function greatestCommonDivisor(a, b) {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

registerProcessor("blocks", Blocks);
