/** Where the samples of a stream come from: a microphone, a recording, another stream. */

/** PCM16, mono, 16 kHz, in blocks, until it ends or is stopped. */
export interface Source extends AsyncIterable<Int16Array> {
  /** No more is recorded; what was is still given. */
  stop(): void;
}

/** How loud a block is to the eye: 0 to 1, over 50 dB. */
export function levelOf(pcm: Int16Array): number {
  let energy = 0;
  for (const sample of pcm) energy += sample * sample;
  const decibels = 10 * Math.log10(energy / Math.max(1, pcm.length) / 32_768 ** 2 + 1e-10);
  return Math.max(0, Math.min(1, (decibels + 55) / 50));
}
