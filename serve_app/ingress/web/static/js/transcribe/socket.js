// PCM16 at 16 kHz in, text out, over the server's `/asr`. A connection that breaks is opened again
// and what was not final yet is sent once more, so no word is lost and none is said twice.

import { Line, StreamError } from "../line.js";
import { Sent } from "../sent.js";

const FINAL_TIMEOUT_MS = 60_000;
const MAX_KEPT_S = 300;
const MAX_BUFFERED_BYTES = 64 * 1024;

export class Stream {
  /** `({confirmed, unsure, heardS})`, each time that the text has changed. */
  ontext = () => {};
  /** `(isAway)`, when the connection was lost, and when it is there again. */
  onaway = () => {};

  #query = new URLSearchParams({ resume: "" });
  #line;
  #sent = new Sent();
  #isFinished = false;
  #settled = ""; // final before this connection, which says only what came after
  #final = ""; // final by now: where the next connection would begin
  #told = "";
  #hasLast = false;
  #opened = Promise.withResolvers();
  #finished = Promise.withResolvers();

  constructor({ model, language, key }) {
    if (model) this.#query.set("model", model);
    if (language) this.#query.set("language", language);
    this.#finished.promise.catch(() => {});
    this.#opened.promise.catch(() => {});
    const line = (this.#line = new Line("asr", () => this.#query, key));
    line.onmessage = (message) => this.#hear(message);
    line.onaway = (isAway) => {
      if (isAway) this.#settled = this.#final;
      this.onaway(isAway);
    };
    line.isDone = () => this.#hasLast;
    line.onover = (error) => this.#over(error);
    line.connect();
  }

  /** Settles when the server takes audio. Rejects with a {@link StreamError}. */
  get opened() {
    return this.#opened.promise;
  }

  /** Settles with the whole text when all of it is final. Rejects with a {@link StreamError}. */
  get finished() {
    return this.#finished.promise;
  }

  send(pcm) {
    if (this.#line.isOver || this.#isFinished) return;
    this.#sent.add(pcm);
    if (this.#line.isOpen) this.#line.send(pcm);
    if (this.#sent.keptS > MAX_KEPT_S) this.#line.end(new StreamError("lost"));
  }

  /** Waits while the server has enough to do. */
  async ready() {
    await this.opened;
    const line = this.#line;
    while (!line.isOver && (!line.isOpen || line.bufferedAmount > MAX_BUFFERED_BYTES)) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
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

  /** How long ago the audio up to `heardS` was handed over, in milliseconds. */
  latencyMs(heardS) {
    return this.#sent.latencyMs(heardS);
  }

  #hear(message) {
    const isFinal = message.type === "final";
    const said = isFinal ? message.text : (message.confirmed ?? "");
    let confirmed = joined(this.#settled, said);
    const text = joined(this.#settled, said + (message.buffer ?? ""));
    this.#note(message, confirmed);
    if (message.type === "config") return this.#start();
    this.#line.praise();
    // Heard again after a break: what was told before stays.
    if (!isFinal && this.#told.startsWith(confirmed)) confirmed = this.#told;
    this.#told = confirmed;
    const unsure = text.startsWith(confirmed) ? text.slice(confirmed.length) : "";
    this.ontext({ confirmed, unsure, heardS: message.heard_s });
    if (isFinal) this.#hasLast = true; // of all that was sent, unless a complaint follows
  }

  /** The server is there: it gets what it has not made final yet. */
  #start() {
    this.#line.begun();
    for (const pcm of this.#sent.blocks) this.#line.send(pcm);
    if (this.#isFinished) this.#sayEnd();
    this.#opened.resolve();
  }

  #sayEnd() {
    this.#line.send(new ArrayBuffer(0));
    this.#line.limit(FINAL_TIMEOUT_MS, "no-answer");
  }

  /** A token, if there is one: what stands here, and all audio before, is final. */
  #note({ resume, resume_s: finalS }, confirmed) {
    if (!resume) return;
    this.#query.set("resume", resume);
    this.#final = confirmed;
    this.#sent.forget(finalS);
  }

  #over(error) {
    if (error === null) return this.#finished.resolve(this.#told);
    this.#opened.reject(error);
    this.#finished.reject(error);
  }
}

function joined(settled, rest) {
  return settled && rest ? `${settled} ${rest}` : settled || rest;
}
