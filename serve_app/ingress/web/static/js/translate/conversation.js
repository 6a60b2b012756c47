// PCM16 at 16 kHz in; utterances, their translations and the sound of these out, over the server's
// `/ws/translate`. After a break, the audio of all that was not told to its end is sent once more.

import { Line, StreamError } from "../line.js";
import { RATE_HZ } from "../recorder.js";
import { Sent } from "../sent.js";

const FINAL_TIMEOUT_MS = 60_000;
const MAX_KEPT_S = 60;
const LEAD_S = 3; // kept while nobody speaks: speech is noticed a little after it began

let numSeen = 0; // of all conversations of the page

export class Conversation {
  /**
   * `(event)`, in the order of the utterances, which have an `id` of their own:
   * `started {startS}`, `stopped {endS}`,
   * `text {src, tgt, text, sourceText, startS, isFinal, endedAtMs}`, `sound {part, wav}`, `done`,
   * `failed {message}`, `dropped`: it will be told anew under another id.
   */
  onevent = () => {};
  /** `(isAway)`, when the connection was lost, and when it is there again. */
  onaway = () => {};

  #line;
  #sent = new Sent();
  #isFinished = false;
  #baseS = 0; // where this connection's audio begins in the whole
  #ids = new Map(); // by this connection's number; of those that are not told to their end
  #ends = new Map(); // id → where its audio ends, in seconds of the whole
  #endedAtMs = new Map(); // id → when the end of its speech was handed over
  #expected = null; // what the next binary message is the sound of
  #opened = Promise.withResolvers();
  #finished = Promise.withResolvers();

  /** `asked`: the first message, as the server takes it, but for what is the same for all. */
  constructor(asked, key) {
    this.#opened.promise.catch(() => {});
    this.#finished.promise.catch(() => {});
    const line = (this.#line = new Line("ws/translate", () => "", key));
    const first = JSON.stringify({ ...asked, sample_rate: RATE_HZ, source_text: true, events: true });
    line.onconnected = () => line.send(first);
    line.onmessage = (message) => this.#hear(message);
    line.onaway = (isAway) => {
      if (isAway) this.#dropAll();
      this.onaway(isAway);
    };
    line.isDone = (code) => this.#isFinished && code === 1000;
    line.onover = (error) => this.#over(error);
    line.connect();
  }

  /** Settles with what the server said first. Rejects with a {@link StreamError}. */
  get opened() {
    return this.#opened.promise;
  }

  /** Settles when all is told. Rejects with a {@link StreamError}. */
  get finished() {
    return this.#finished.promise;
  }

  send(pcm) {
    if (this.#line.isOver || this.#isFinished) return;
    this.#sent.add(pcm);
    if (this.#line.isOpen) this.#line.send(pcm);
    const isQuiet = this.#line.isOpen && this.#ids.size === 0;
    this.#sent.limit(isQuiet ? LEAD_S : MAX_KEPT_S);
  }

  /** No more audio; `finished` follows. */
  finish() {
    if (this.#isFinished || this.#line.isOver) return;
    this.#isFinished = true;
    if (this.#line.isOpen) this.#sayEnd(); // else `#start` says it
  }

  abandon() {
    this.#line.end(new StreamError("abandoned"));
  }

  #hear(message) {
    if (this.#isFinished && this.#line.isOpen) this.#line.limit(FINAL_TIMEOUT_MS, "no-answer");
    if (message instanceof ArrayBuffer) return this.#hearSound(message);
    if (message.type === "ready") return this.#start(message);
    const id = this.#idOf(message.utterance);
    switch (message.type) {
      case "speech_started":
        return this.onevent({ type: "started", id, startS: this.#baseS + message.at_s });
      case "speech_stopped":
        return this.#hearStop(id, this.#baseS + message.at_s);
      case "translation":
        return this.#hearText(id, message);
      case "audio":
        this.#expected = { id, part: message.part };
        return;
      case "failed":
        return this.onevent({ type: "failed", id, message: message.error.message });
      case "done":
        return this.#hearEnd(id, message.utterance);
    }
  }

  #hearStop(id, endS) {
    this.#ends.set(id, endS);
    const latencyMs = this.#sent.latencyMs(endS);
    if (latencyMs !== null) this.#endedAtMs.set(id, performance.now() - latencyMs);
    this.onevent({ type: "stopped", id, endS });
  }

  #hearText(id, { src, tgt, text, source_text: sourceText, start_s, end_s, is_final: isFinal }) {
    this.#line.praise();
    // A little of the silence behind it belongs to its audio.
    if (isFinal) this.#ends.set(id, this.#baseS + end_s);
    const startS = this.#baseS + start_s;
    const endedAtMs = this.#endedAtMs.get(id) ?? null;
    this.onevent({ type: "text", id, src, tgt, text, sourceText, startS, isFinal, endedAtMs });
  }

  #hearSound(wav) {
    const expected = this.#expected;
    this.#expected = null;
    if (expected) this.onevent({ type: "sound", ...expected, wav });
  }

  #hearEnd(id, number) {
    this.#ids.delete(number);
    if (this.#ends.has(id)) this.#sent.forget(this.#ends.get(id));
    this.#ends.delete(id);
    this.#endedAtMs.delete(id);
    this.onevent({ type: "done", id });
  }

  /** The server is there: it gets what it has not told to its end yet. */
  #start(ready) {
    this.#line.begun();
    this.#baseS = this.#sent.fromS;
    for (const pcm of this.#sent.blocks) this.#line.send(pcm);
    if (this.#isFinished) this.#sayEnd();
    this.#opened.resolve(ready);
  }

  #sayEnd() {
    this.#line.send(new ArrayBuffer(0));
    this.#line.limit(FINAL_TIMEOUT_MS, "no-answer");
  }

  #idOf(number) {
    if (!this.#ids.has(number)) this.#ids.set(number, numSeen++);
    return this.#ids.get(number);
  }

  #dropAll() {
    const ids = [...this.#ids.values()];
    this.#ids.clear();
    this.#ends.clear();
    this.#endedAtMs.clear();
    this.#expected = null;
    for (const id of ids) this.onevent({ type: "dropped", id });
  }

  #over(error) {
    if (error === null) return this.#finished.resolve();
    this.#opened.reject(error);
    this.#finished.reject(error);
  }
}
