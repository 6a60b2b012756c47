// WAVs in, as they come; sound without gaps out, one after the other, and whether it is heard now.

const LEAD_S = 0.03; // the next sound is scheduled no sooner than this ahead
const MAX_HELD_MS = 10_000;

export class Player {
  /** `(id)`, when the sound of an utterance begins, and when the last of it that is there ends. */
  onbegin = () => {};
  onend = () => {};

  #context = null;
  #gain;
  #volume = 1;
  #isMuted = false;
  #decoding = Promise.resolve();
  #numDecoding = 0;
  #waiting = []; // {id, buffer}: not scheduled yet
  #scheduled = new Set(); // {id, source, timer, endsAtS}
  #endsAtS = -Infinity;
  #holding = null; // the timer that ends it
  #idle = [];

  /** Called from a press of a button: browsers let no page sound before one. */
  async open(sinkId) {
    if (!this.#context) {
      this.#context = new AudioContext();
      this.#gain = new GainNode(this.#context, { gain: this.#volume });
      this.#gain.connect(this.#context.destination);
    }
    const opening = this.#context.resume();
    if (sinkId !== undefined && this.#context.setSinkId) {
      // Gone meanwhile: sound comes from where it usually does.
      await this.#context.setSinkId(sinkId === "default" ? "" : sinkId).catch(() => {});
    }
    await opening;
  }

  /** 0 to 1, as loud to the ear as the slider says. */
  set volume(volume) {
    this.#volume = volume ** 2;
    this.#gain?.gain.setTargetAtTime(this.#volume, this.#context.currentTime, 0.02);
  }

  /** What comes while it is muted is not kept: who unmutes hears what comes then. */
  set isMuted(isMuted) {
    this.#isMuted = isMuted;
    if (isMuted) this.stop();
  }

  /** While it holds, sound waits; ten seconds at most. */
  hold() {
    if (this.#scheduled.size > 0) return;
    this.#holding ??= setTimeout(() => this.release(), MAX_HELD_MS);
  }

  release() {
    clearTimeout(this.#holding);
    this.#holding = null;
    this.#schedule();
  }

  add(id, wav) {
    if (this.#isMuted || !this.#context) return;
    this.#numDecoding += 1;
    this.#decoding = this.#decoding.then(async () => {
      const buffer = await this.#context.decodeAudioData(wav).catch(() => null);
      this.#numDecoding -= 1;
      if (buffer && !this.#isMuted) this.#waiting.push({ id, buffer });
      this.#schedule();
      this.#settle();
    });
  }

  /** Forget what has not begun of an utterance. */
  drop(id) {
    this.#waiting = this.#waiting.filter((each) => each.id !== id);
    for (const each of this.#scheduled) {
      if (each.id === id && each.timer !== null) this.#cancel(each);
    }
    this.#endsAtS = Math.max(-Infinity, ...[...this.#scheduled].map(({ endsAtS }) => endsAtS));
    this.#settle();
  }

  stop() {
    this.#waiting = [];
    for (const each of this.#scheduled) this.#cancel(each);
    this.#endsAtS = -Infinity;
    this.#settle();
  }

  /** Whether somebody in the room may hear it now, `tailS` after its end included. */
  isHeard(tailS) {
    if (this.#context?.state !== "running" || this.#volume === 0) return false;
    const lateS = this.#context.outputLatency || this.#context.baseLatency || 0;
    return this.#context.currentTime < this.#endsAtS + lateS + tailS;
  }

  /** Settles when nothing is left to be heard. */
  idle() {
    return new Promise((resolve) => {
      this.#idle.push(resolve);
      this.#settle();
    });
  }

  #schedule() {
    if (this.#holding) return;
    for (const { id, buffer } of this.#waiting.splice(0)) {
      const source = new AudioBufferSourceNode(this.#context, { buffer });
      source.connect(this.#gain);
      const nowS = this.#context.currentTime;
      const startsAtS = Math.max(nowS + LEAD_S, this.#endsAtS);
      this.#endsAtS = startsAtS + buffer.duration;
      const each = { id, source, endsAtS: this.#endsAtS, timer: null };
      each.timer = setTimeout(() => this.#begun(each), (startsAtS - nowS) * 1000);
      source.onended = () => this.#ended(each);
      source.start(startsAtS);
      this.#scheduled.add(each);
    }
  }

  #begun(each) {
    each.timer = null;
    this.onbegin(each.id);
  }

  #ended(each) {
    if (!this.#scheduled.delete(each)) return;
    clearTimeout(each.timer);
    const isLast = ![...this.#scheduled].some(({ id }) => id === each.id);
    if (isLast) this.onend(each.id);
    this.#settle();
  }

  #cancel(each) {
    each.source.stop();
    this.#ended(each);
  }

  #settle() {
    if (this.#numDecoding || this.#waiting.length || this.#scheduled.size) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}
