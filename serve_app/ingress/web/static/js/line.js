// Messages in and out over a WebSocket that is opened again when it breaks. What is to be said anew
// then, and when all is told, is its owner's to know.

const OPEN_TIMEOUT_MS = 150_000; // a model that was scaled to zero takes its time
const MAX_AWAY_MS = 60_000;
const FIRST_PAUSE_MS = 400;
const MAX_PAUSE_MS = 5_000;
const STEADY_MS = 10_000; // a connection that lasted so long, or was of use, was a good one
const COME_BACK = new Set([1001, 1005, 1006, 1012, 1013]);
const IN_VAIN = new Set(["audio_limit_reached"]); // until tomorrow

/** Why there is no more. `kind` says what, `words` says it in words. */
export class StreamError extends Error {
  constructor(kind, message = "") {
    super(message || kind);
    this.kind = kind;
  }
}

export class Line {
  /** `(message)`: a text of the server's, parsed; an `ArrayBuffer` as it is. */
  onmessage = () => {};
  /** A socket is there: the moment for what has to be said first. */
  onconnected = () => {};
  /** `(isAway)`, when the connection was lost, and when it is there again. */
  onaway = () => {};
  /** `(error)`, once: a {@link StreamError}, or null where it ended because all was told. */
  onover = () => {};
  /** Whether a close with this code is no break, because all is told. */
  isDone = () => false;

  #path;
  #query;
  #key;
  #socket;
  #isOpen = false;
  #hasBeenOpen = false;
  #isOver = false;
  #away = null; // since when, and how often it was tried
  #complaint = null;
  #openedAtMs = 0;
  #timer;

  /** `query()` is asked each time that it is opened. */
  constructor(path, query, key) {
    this.#path = path;
    this.#query = query;
    this.#key = key;
  }

  /** Whether the server takes messages now. */
  get isOpen() {
    return this.#isOpen;
  }

  get isOver() {
    return this.#isOver;
  }

  get bufferedAmount() {
    return this.#socket.bufferedAmount;
  }

  connect() {
    const url = new URL(this.#path, document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    url.search = this.#query().toString();
    this.#complaint = null;
    // A page cannot send headers with a socket; a key travels as one of the protocols offered.
    const protocols = this.#key ? ["realtime", `openai-insecure-api-key.${this.#key}`] : [];
    const socket = new WebSocket(url, protocols);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => socket === this.#socket && this.onconnected();
    socket.onmessage = ({ data }) => socket === this.#socket && this.#hear(data);
    socket.onclose = (event) => socket === this.#socket && this.#closed(event);
    this.#socket = socket;
    this.limit(OPEN_TIMEOUT_MS, "no-answer");
  }

  /** The server said that it is ready; what is owed to it can be sent. */
  begun() {
    this.#isOpen = true;
    this.#hasBeenOpen = true;
    this.#openedAtMs = performance.now();
    clearTimeout(this.#timer);
    if (this.#away) this.onaway(false);
  }

  /** The connection was of use, so the next break is a new one. */
  praise() {
    this.#away = null;
  }

  send(message) {
    this.#socket.send(message);
  }

  /** The server has so long to go on. */
  limit(timeMs, kind) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.end(new StreamError(kind)), timeMs);
  }

  end(error = null) {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#isOpen = false;
    clearTimeout(this.#timer);
    this.onover(error);
    this.#socket.close(1000);
  }

  #hear(data) {
    if (this.#isOver) return;
    if (typeof data !== "string") return this.onmessage(data);
    const message = JSON.parse(data);
    // Why it closes; the code that it closes with says whether to come back.
    if (message.type === "error") this.#complaint = message.error;
    else this.onmessage(message);
  }

  #closed({ code, reason }) {
    this.#isOpen = false;
    if (this.#isOver) return;
    if (!this.#complaint && this.isDone(code)) return this.end();
    if (!this.#hasBeenOpen || !COME_BACK.has(code) || IN_VAIN.has(this.#complaint?.code)) {
      const kind = this.#complaint?.code ?? (this.#hasBeenOpen ? "closed" : "refused");
      return this.end(new StreamError(kind, this.#complaint?.message ?? reason));
    }
    if (performance.now() - this.#openedAtMs > STEADY_MS) this.#away = null;
    this.#away ??= { sinceMs: performance.now(), attempts: 0 };
    const pauseMs = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#away.attempts++);
    if (performance.now() - this.#away.sinceMs + pauseMs > MAX_AWAY_MS) {
      return this.end(new StreamError("lost"));
    }
    clearTimeout(this.#timer);
    // Not all at once: many were cut off together.
    this.#timer = setTimeout(() => this.connect(), pauseMs * (0.75 + Math.random() / 2));
    this.onaway(true);
  }
}
