/**
 * A live stream over `/asr`: audio in while it is spoken, text out while it is understood. A
 * connection that breaks is opened again, and what was not final yet is sent once more: no word is
 * lost, and none is said twice.
 */

import { bytesOf, samplesOf } from "../bytes.js";
import {
  addressOf,
  begin,
  type Connection,
  type Message,
  type Server,
  whileFull,
} from "../connection.js";
import {
  AnswerTimeoutError,
  ClosedError,
  ConnectionLostError,
  type ErrorCode,
  mayPass,
} from "../errors.js";
import { KeptAudio } from "../kept.js";
import { type Returning, Returns } from "../returns.js";
import { Latest } from "../unread.js";
import { type AsrMessage, type LiveText, Said } from "./said.js";

export interface LiveOptions extends Server, Returning {
  /** A served name; the server's default if not given. */
  model?: string | undefined;
  /** What is spoken: `de`, or `auto`. */
  language?: string | undefined;
  /** Of the text; another than `language` asks to translate. */
  targetLanguage?: string | undefined;
  /** Punctuation and capitals, where the model has the choice. */
  punctuation?: boolean | undefined;
  /** How long the last text may take after the last audio. */
  finalTimeoutMs?: number | undefined;
}

export const LIVE_RATE_HZ = 16_000;
const END_OF_AUDIO = new ArrayBuffer(0);
const FINAL_TIMEOUT_MS = 60_000;
/** A server settles segments of at most 30 s; who is so far behind does not catch up. */
const MAX_KEPT_S = 300;
/** What a server says that heard nothing. */
const UNHEARD: ErrorCode = "stream_idle";
const LATELY_MS = 30_000;
/** A tenth of the time: more than from those whom a server calls idle. */
const SPOKEN_S = 3;

/**
 * One stream, from `open` to its last text or `close`.
 *
 *     const stream = await LiveStream.open({ url: "http://127.0.0.1:8000", language: "en" });
 *     for await (const text of stream) show(text.confirmed, text.unsure);
 */
export class LiveStream implements AsyncIterable<LiveText> {
  readonly #options: LiveOptions;
  readonly #url: string;
  readonly #kept = new KeptAudio(LIVE_RATE_HZ);
  readonly #said = new Said(this.#kept);
  readonly #texts = new Latest<LiveText>();
  readonly #returns: Returns;
  #connection: Connection | null = null;
  #isFinished = false;
  #over: { error: unknown } | null = null;
  #last: LiveText | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #finished: Promise<LiveText>;
  #resolve: (text: LiveText) => void = () => {};
  #reject: (error: unknown) => void = () => {};

  private constructor(options: LiveOptions) {
    this.#options = options;
    this.#url = addressOf(options, "/", {}).origin.replace("ws", "http");
    this.#returns = new Returns(this.#url, options);
    this.#finished = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#finished.catch(() => {}); // whoever only reads hears of it there
  }

  /**
   * Connect, and wait until the server takes audio.
   * @throws {ChorusError} it does not, and why.
   */
  static async open(options: LiveOptions = {}): Promise<LiveStream> {
    const stream = new LiveStream(options);
    const connection = await stream.#connect();
    void stream.#run(connection);
    return stream;
  }

  /** How often the connection was made again. */
  get numReturns(): number {
    return this.#returns.num;
  }

  /**
   * Hand over PCM16, mono, 16 kHz, of any length. Waits while the server has enough to do, and while
   * the connection is being made again; who cannot wait need not.
   * @throws {ChorusError} the stream is over, and why.
   * @throws {TypeError} these are no samples of 16 bits.
   */
  async send(pcm: Int16Array): Promise<void> {
    this.#mustGoOn();
    const block = samplesOf(pcm);
    // On the wire an empty one says that this was all.
    if (block.length > 0) {
      this.#kept.add(block, performance.now());
      this.#connection?.send(bytesOf(block));
    }
    if (this.#kept.keptS > MAX_KEPT_S) {
      this.#end(new ConnectionLostError(this.#url, `${MAX_KEPT_S} s behind`));
    }
    await whileFull(() => !this.#over && (this.#connection?.isFull ?? true));
    this.#mustGoOn();
  }

  /**
   * No more audio.
   * @returns the whole text, when all of it is told.
   * @throws {ChorusError} it will not be told, and why.
   */
  finish(): Promise<LiveText> {
    if (!this.#isFinished && !this.#over) {
      this.#isFinished = true;
      if (this.#connection) this.#expectFinal(this.#connection);
    }
    return this.#finished;
  }

  /** Each text as it comes, for one reader, who gets the newest; the last of them `isFinal`. */
  [Symbol.asyncIterator](): AsyncIterator<LiveText, void, void> {
    return this.#texts[Symbol.asyncIterator]();
  }

  /** Give the stream up, at once; may be called twice. */
  close(): void {
    this.#end(new ClosedError());
  }

  /** Take the texts of one connection after the other, until the last text or an error. */
  async #run(first: Connection): Promise<void> {
    let connection = first;
    try {
      while (true) {
        const sinceMs = performance.now();
        if (this.#over) return connection.close();
        this.#catchUp(connection);
        const ended = await connection.closed;
        this.#connection = null;
        if (this.#over) return;
        // Of all that was sent, unless there was a complaint.
        if (this.#last && !connection.complaint) return this.#end();
        if (this.#last) this.#texts.put({ ...this.#last, isFinal: false });
        this.#last = null;
        if (!mayPass(ended) && !(ended.code === UNHEARD && this.#hasSpoken)) throw ended;
        connection = await this.#returns.again(() => this.#connect(), sinceMs);
      }
    } catch (error) {
      this.#end(error);
    }
  }

  /** Whoever has and hears of silence was cut off, though the connection did not break. */
  get #hasSpoken(): boolean {
    return this.#kept.sentSinceS(performance.now() - LATELY_MS) >= SPOKEN_S;
  }

  /** A connection whose server takes audio. */
  async #connect(): Promise<Connection> {
    const { model, language, targetLanguage, punctuation } = this.#options;
    const query = {
      model,
      language,
      target_language: targetLanguage,
      pnc: punctuation?.toString(),
      resume: this.#said.token,
    };
    this.#said.beginConnection();
    return begin(this.#options, "/asr", query, (connection, message) =>
      this.#hear(connection, message),
    );
  }

  /** Whether the message is the one that says that audio may come. */
  #hear(connection: Connection, message: Message): boolean {
    const said = JSON.parse(message as string) as AsrMessage;
    if (said.type === "error") connection.complaint = said.error ?? { message: "no reason given" };
    const text = this.#said.hear(said);
    if (text?.isFinal) this.#last = text;
    else if (text) {
      this.#returns.isGood();
      this.#texts.put(text);
    }
    return said.type === "config";
  }

  #catchUp(connection: Connection): void {
    for (const block of this.#kept.blocks) connection.send(bytesOf(block));
    if (this.#isFinished) this.#expectFinal(connection);
    this.#connection = connection;
  }

  #expectFinal(connection: Connection): void {
    const timeoutMs = this.#options.finalTimeoutMs ?? FINAL_TIMEOUT_MS;
    connection.send(END_OF_AUDIO);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => this.#end(new AnswerTimeoutError(this.#url, timeoutMs)),
      timeoutMs,
    );
  }

  #mustGoOn(): void {
    if (this.#over) throw this.#over.error ?? new ClosedError();
  }

  #end(error?: unknown): void {
    if (this.#over) return;
    this.#over = { error };
    clearTimeout(this.#timer);
    this.#returns.stop();
    if (error === undefined && this.#last) {
      this.#texts.put(this.#last);
      this.#resolve(this.#last);
    } else {
      this.#reject(error);
    }
    this.#texts.end(error);
    this.#connection?.close();
    this.#connection = null;
  }
}
