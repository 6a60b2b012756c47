/**
 * A conversation over `/ws/translate`: speech in while it is spoken; what it means in the other
 * language out, as text and as sound. A connection that breaks is opened again, and what was under
 * way is said once more: nothing is lost, and nothing told twice.
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
import { AnswerTimeoutError, ClosedError, mayPass } from "../errors.js";
import { KeptAudio } from "../kept.js";
import { type Returning, Returns } from "../returns.js";
import { Channel } from "../unread.js";
import { type ConversationEvent, type Ready, readyOf, type TranslateMessage } from "./events.js";
import { Told } from "./told.js";

export interface ConversationOptions extends Server, Returning {
  /** What is spoken (`auto`: the model finds out) and what is wanted; or else `between`. */
  from?: string | undefined;
  to?: string | undefined;
  /** Two languages: what is spoken in either comes in the other. */
  between?: readonly [string, string] | undefined;
  /** Of the samples that are sent. */
  sampleRateHz?: number | undefined;
  /** Of the sound that comes back. */
  outputSampleRateHz?: number | undefined;
  model?: string | undefined;
  /** By name, or a name for each language. */
  voice?: string | Record<string, string> | undefined;
  /** False: text alone. */
  speech?: boolean | undefined;
  /** Also what was said, in its own language. */
  sourceText?: boolean | undefined;
  /** Of no speech that ends an utterance. */
  silenceMs?: number | undefined;
  /** What arrives while the server's own sound is presumed to be playing counts as silence. */
  halfDuplex?: boolean | undefined;
  /** How long the rest may take after the last audio. */
  finalTimeoutMs?: number | undefined;
}

const RATE_HZ = 16_000;
const FLUSH = "__flush__";
const END_OF_AUDIO = new ArrayBuffer(0);
const FINAL_TIMEOUT_MS = 120_000;
const MAX_UNREAD = 1024;

/**
 * One conversation, from `open` to its last event or `close`.
 *
 *     const talk = await Conversation.open({ url, from: "en", to: "ru" });
 *     for await (const event of talk) if (event.type === "translation") show(event.text);
 */
export class Conversation implements AsyncIterable<ConversationEvent> {
  readonly #options: ConversationOptions;
  readonly #url: string;
  readonly #kept: KeptAudio;
  readonly #told: Told;
  readonly #events = new Channel<ConversationEvent>(MAX_UNREAD);
  readonly #returns: Returns;
  #ready: Ready | null = null;
  #connection: Connection | null = null;
  #isFinished = false;
  #over: { error: unknown } | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  private constructor(options: ConversationOptions) {
    this.#options = options;
    this.#url = addressOf(options, "/", {}).origin.replace("ws", "http");
    this.#kept = new KeptAudio(options.sampleRateHz ?? RATE_HZ);
    this.#told = new Told(this.#kept);
    this.#returns = new Returns(this.#url, options);
  }

  /**
   * Connect, and wait until the server takes audio.
   * @throws {ChorusError} it does not, and why.
   * @throws {TypeError} a direction and a pair are asked for at once.
   */
  static async open(options: ConversationOptions): Promise<Conversation> {
    const { from, to, between } = options;
    if (between && (from ?? to) !== undefined) {
      throw new TypeError("give `from` and `to`, or `between`: not both");
    }
    const conversation = new Conversation(options);
    const connection = await conversation.#connect();
    void conversation.#run(connection);
    return conversation;
  }

  /** What the server agreed to. */
  get ready(): Ready {
    return this.#ready as Ready; // `open` has waited for it
  }

  /** How often the connection was made again. */
  get numReturns(): number {
    return this.#returns.num;
  }

  /**
   * Hand over PCM16, mono, of any length. Waits while the server has enough to do, and while the
   * connection is being made again; who cannot wait need not.
   * @throws {ChorusError} the conversation is over, and why.
   * @throws {TypeError} these are no samples of 16 bits.
   */
  async send(pcm: Int16Array): Promise<void> {
    this.#mustGoOn();
    const block = samplesOf(pcm);
    // On the wire an empty one says that this was all.
    if (block.length > 0) {
      this.#kept.add(block, performance.now());
      this.#told.trim();
      this.#connection?.send(bytesOf(block));
    }
    await whileFull(() => !this.#over && (this.#connection?.isFull ?? true));
    this.#mustGoOn();
  }

  /** The utterance ends here. */
  flush(): void {
    this.#connection?.send(FLUSH);
  }

  /** No more audio; the rest is told, and then the events end. */
  finish(): void {
    if (this.#isFinished || this.#over) return;
    this.#isFinished = true;
    if (this.#connection) this.#expectEnd(this.#connection);
  }

  /** All that is told, in order, for one reader. */
  [Symbol.asyncIterator](): AsyncIterator<ConversationEvent, void, void> {
    return this.#events[Symbol.asyncIterator]();
  }

  /** Give the conversation up, at once; may be called twice. */
  close(): void {
    this.#end(new ClosedError());
  }

  async #run(first: Connection): Promise<void> {
    let connection = first;
    try {
      while (true) {
        if (this.#over) return connection.close();
        const sinceMs = performance.now();
        for (const block of this.#kept.blocks) connection.send(bytesOf(block));
        if (this.#isFinished) this.#expectEnd(connection);
        this.#connection = connection;
        const ended = await connection.closed;
        this.#connection = null;
        if (this.#over) return;
        if (ended.closeCode === 1000 && this.#isFinished) return this.#end();
        if (!mayPass(ended)) throw ended;
        connection = await this.#returns.again(() => this.#connect(), sinceMs);
      }
    } catch (error) {
      this.#end(error);
    }
  }

  #connect(): Promise<Connection> {
    this.#told.beginConnection();
    const hear = (connection: Connection, message: Message) => this.#hear(connection, message);
    return begin(this.#options, "/ws/translate", {}, hear, JSON.stringify(firstOf(this.#options)));
  }

  /** Whether the message is the one that says that audio may come. */
  #hear(connection: Connection, message: Message): boolean {
    if (typeof message !== "string") {
      const spoken = this.#told.hearSound(message);
      if (spoken) this.#events.put(spoken);
      return false;
    }
    const said = JSON.parse(message) as TranslateMessage;
    if (said.type === "ready") {
      this.#ready = readyOf(said);
      return true;
    }
    if (said.type === "error") connection.complaint = said.error;
    const event = this.#told.hear(said);
    if (event) {
      this.#returns.isGood();
      this.#events.put(event);
      if (this.#events.hasEnded) this.close();
    }
    return false;
  }

  #expectEnd(connection: Connection): void {
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
    this.#events.end(error);
    this.#connection?.close();
    this.#connection = null;
  }
}

/** The first message: what is left out is the server's to choose. */
function firstOf(options: ConversationOptions): Record<string, unknown> {
  const { between } = options;
  return {
    ...(between ? { mode: "auto", languages: between } : { src: options.from, tgt: options.to }),
    sample_rate: options.sampleRateHz ?? RATE_HZ,
    output_sample_rate: options.outputSampleRateHz,
    model: options.model,
    voice: options.voice,
    speech: options.speech,
    source_text: options.sourceText,
    silence_ms: options.silenceMs,
    half_duplex: options.halfDuplex,
    events: true,
  };
}
