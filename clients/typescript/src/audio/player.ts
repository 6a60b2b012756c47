/** Sentences as WAV in; sound out, one behind the other without gaps. For browsers. */

/** Of a sentence that comes while nothing plays: enough for the browser to begin cleanly. */
const LEAD_S = 0.02;

export class Player {
  readonly #context = new AudioContext();
  readonly #playing = new Set<AudioBufferSourceNode>();
  #endsAtS = 0;
  #turn: Promise<void> = Promise.resolve();

  /** Whether anything can be heard, or was within `tailMs`. */
  isSpeaking(tailMs = 0): boolean {
    return this.#playing.size > 0 || this.#context.currentTime < this.#endsAtS + tailMs / 1000;
  }

  /** Play behind what plays already. Settles when this has been heard. */
  async play(wav: ArrayBuffer): Promise<void> {
    const before = this.#turn;
    let pass = () => {};
    this.#turn = new Promise((resolve) => {
      pass = resolve;
    });
    // Decoding takes longer for some than for others; they are heard in order all the same.
    const decoding = this.#context.decodeAudioData(wav.slice(0));
    try {
      await before;
      await this.#context.resume();
      await this.#begin(await decoding, pass);
    } finally {
      pass();
    }
  }

  /** Be quiet, at once. */
  stop(): void {
    for (const node of this.#playing) node.stop();
    this.#endsAtS = this.#context.currentTime;
  }

  async close(): Promise<void> {
    this.stop();
    await this.#context.close();
  }

  #begin(buffer: AudioBuffer, pass: () => void): Promise<void> {
    const node = new AudioBufferSourceNode(this.#context, { buffer });
    const ended = new Promise<void>((resolve) => {
      node.onended = () => {
        this.#playing.delete(node);
        resolve();
      };
    });
    const startS = Math.max(this.#context.currentTime + LEAD_S, this.#endsAtS);
    this.#endsAtS = startS + buffer.duration;
    this.#playing.add(node);
    node.connect(this.#context.destination);
    node.start(startS);
    pass();
    return ended;
  }
}
