// PCM16 at 16 kHz in, text out, over the server's `/asr`. A connection that breaks is opened again
// and what was not final yet is sent once more, so no word is lost and none is said twice.

import { RATE_HZ } from "./recorder.js";

const OPEN_TIMEOUT_MS = 150_000; // a model that was scaled to zero takes its time
const FINAL_TIMEOUT_MS = 60_000;
const MAX_AWAY_MS = 60_000;
const FIRST_PAUSE_MS = 400;
const MAX_PAUSE_MS = 5_000;
const STEADY_MS = 10_000; // a connection that lasted so long, or gave a text, was a good one
const MAX_KEPT_SAMPLES = 300 * RATE_HZ;
const MAX_BUFFERED_BYTES = 64 * 1024;
const COME_BACK = new Set([1001, 1005, 1006, 1012, 1013]);
const IN_VAIN = new Set(["audio_limit_reached"]); // until tomorrow

/** Why there is no more text. `kind` says what, `view` says it in words. */
export class StreamError extends Error {
  constructor(kind, message = "") {
    super(message || kind);
    this.kind = kind;
  }
}

export class Stream {
  /** `({confirmed, unsure, heardS})`, each time that the text has changed. */
  ontext = () => {};
  /** `(isAway)`, when the connection was lost, and when it is there again. */
  onaway = () => {};

  #query;
  #key;
  #socket;
  #isOpen = false;
  #hasBeenOpen = false;
  #isFinished = false;
  #isOver = false;
  #away = null; // since when, and how often it was tried
  #kept = []; // blocks since the last final word
  #keptFrom = 0; // where they begin, in samples of the whole stream
  #sentTo = 0;
  #sentAt = []; // [samples, time]: when each block was handed over
  #settled = ""; // final before this connection, which says only what came after
  #final = ""; // final by now: where the next connection would begin
  #told = "";
  #last = null;
  #complaint = null;
  #openedAtMs = 0;
  #timer;
  #opened = Promise.withResolvers();
  #finished = Promise.withResolvers();

  constructor({ model, language, key }) {
    this.#query = new URLSearchParams({ resume: "" });
    if (model) this.#query.set("model", model);
    if (language) this.#query.set("language", language);
    this.#key = key;
    this.#finished.promise.catch(() => {});
    this.#opened.promise.catch(() => {});
    this.#connect();
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
    if (this.#isOver || this.#isFinished) return;
    this.#kept.push(pcm);
    this.#sentTo += pcm.length;
    this.#sentAt.push([this.#sentTo, performance.now()]);
    if (this.#isOpen) this.#socket.send(pcm);
    if (this.#sentTo - this.#keptFrom > MAX_KEPT_SAMPLES) this.#fail(new StreamError("lost"));
  }

  /** Waits while the server has enough to do. */
  async ready() {
    await this.opened;
    while (!this.#isOver && (!this.#isOpen || this.#socket.bufferedAmount > MAX_BUFFERED_BYTES)) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** No more audio; `finished` follows. */
  finish() {
    if (this.#isFinished || this.#isOver) return;
    this.#isFinished = true;
    if (!this.#isOpen) return; // `#start` says it
    this.#socket.send(new ArrayBuffer(0));
    this.#limit(FINAL_TIMEOUT_MS, "no-answer");
  }

  abandon() {
    this.#fail(new StreamError("abandoned"));
  }

  /** How long ago the audio up to `heardS` was handed over, in milliseconds. */
  latencyMs(heardS) {
    const samples = Math.round(heardS * RATE_HZ);
    while (this.#sentAt.length > 1 && this.#sentAt[0][0] < samples) this.#sentAt.shift();
    const [first] = this.#sentAt;
    return first && first[0] >= samples ? performance.now() - first[1] : null;
  }

  #connect() {
    const url = new URL("asr", document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    this.#settled = this.#final;
    this.#complaint = null;
    url.search = this.#query.toString();
    // A page cannot send headers with a socket; a key travels as one of the protocols offered.
    const protocols = this.#key ? ["realtime", `openai-insecure-api-key.${this.#key}`] : [];
    const socket = new WebSocket(url, protocols);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => socket === this.#socket && this.#hear(JSON.parse(data));
    socket.onclose = (event) => socket === this.#socket && this.#closed(event);
    this.#socket = socket;
    this.#limit(OPEN_TIMEOUT_MS, "no-answer");
  }

  #hear(message) {
    if (message.type === "error") {
      // Why it closes; the code that it closes with says whether to come back.
      this.#complaint = message.error;
      return;
    }
    const isFinal = message.type === "final";
    const said = isFinal ? message.text : (message.confirmed ?? "");
    let confirmed = joined(this.#settled, said);
    const text = joined(this.#settled, said + (message.buffer ?? ""));
    this.#note(message, confirmed);
    if (message.type === "config") return this.#start();
    this.#away = null;
    // Heard again after a break: what was told before stays.
    if (!isFinal && this.#told.startsWith(confirmed)) confirmed = this.#told;
    this.#told = confirmed;
    const unsure = text.startsWith(confirmed) ? text.slice(confirmed.length) : "";
    this.ontext({ confirmed, unsure, heardS: message.heard_s });
    if (isFinal) this.#last = confirmed; // of all that was sent, unless a complaint follows
  }

  /** The server is there: it gets what it has not made final yet. */
  #start() {
    this.#isOpen = true;
    this.#hasBeenOpen = true;
    this.#openedAtMs = performance.now();
    clearTimeout(this.#timer);
    for (const pcm of this.#kept) this.#socket.send(pcm);
    if (this.#isFinished) {
      this.#socket.send(new ArrayBuffer(0));
      this.#limit(FINAL_TIMEOUT_MS, "no-answer");
    }
    if (this.#away) this.onaway(false);
    this.#opened.resolve();
  }

  /** A token, if there is one: what stands here, and all audio before, is final. */
  #note({ resume, resume_s: finalS }, confirmed) {
    if (!resume) return;
    this.#query.set("resume", resume);
    this.#final = confirmed;
    const final = Math.round(finalS * RATE_HZ);
    while (this.#kept.length && this.#keptFrom + this.#kept[0].length <= final) {
      this.#keptFrom += this.#kept.shift().length;
    }
    if (this.#keptFrom < final && this.#kept.length) {
      this.#kept[0] = this.#kept[0].subarray(final - this.#keptFrom);
      this.#keptFrom = final;
    }
  }

  #closed({ code, reason }) {
    this.#isOpen = false;
    if (this.#isOver) return;
    if (this.#last !== null && !this.#complaint) return this.#end(this.#last);
    if (!this.#hasBeenOpen || !COME_BACK.has(code) || IN_VAIN.has(this.#complaint?.code)) {
      const kind = this.#complaint?.code ?? (this.#hasBeenOpen ? "closed" : "refused");
      return this.#fail(new StreamError(kind, this.#complaint?.message ?? reason));
    }
    if (performance.now() - this.#openedAtMs > STEADY_MS) this.#away = null;
    this.#away ??= { sinceMs: performance.now(), attempts: 0 };
    const pauseMs = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#away.attempts++);
    if (performance.now() - this.#away.sinceMs + pauseMs > MAX_AWAY_MS) {
      return this.#fail(new StreamError("lost"));
    }
    clearTimeout(this.#timer);
    // Not all at once: many were cut off together.
    this.#timer = setTimeout(() => this.#connect(), pauseMs * (0.75 + Math.random() / 2));
    this.onaway(true);
  }

  #limit(timeMs, kind) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fail(new StreamError(kind)), timeMs);
  }

  #end(text) {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#finished.resolve(text);
    this.#socket.close(1000);
  }

  #fail(error) {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#opened.reject(error);
    this.#finished.reject(error);
    this.#socket.close(1000);
  }
}

function joined(settled, rest) {
  return settled && rest ? `${settled} ${rest}` : settled || rest;
}
