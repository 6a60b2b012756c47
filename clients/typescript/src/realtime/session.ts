/**
 * A transcription session over `/v1/realtime`, OpenAI's protocol: audio in; its events out.
 *
 * The protocol has no resuming: a session whose connection breaks is over. Who needs more takes
 * `LiveStream`.
 */

import { base64Of, samplesOf } from "../bytes.js";
import {
  addressOf,
  begin,
  type Connection,
  type Message,
  type Server,
  whileFull,
} from "../connection.js";
import { AnswerTimeoutError, ClosedError } from "../errors.js";
import { Channel } from "../unread.js";
import type { RealtimeEvent } from "./events.js";

/** The server says where utterances end. */
export interface ServerVad {
  threshold?: number;
  prefix_padding_ms?: number;
  silence_duration_ms?: number;
}

export interface RealtimeOptions extends Server {
  model?: string | undefined;
  language?: string | undefined;
  /** Of the samples that are sent. */
  sampleRateHz?: number | undefined;
  /** Null: utterances end where `commit` is called. */
  turnDetection?: ServerVad | null | undefined;
  /** How long the rest may take after `finish`. */
  finalTimeoutMs?: number | undefined;
}

const RATE_HZ = 24_000;
const FINAL_TIMEOUT_MS = 60_000;
const MAX_UNREAD = 4096;
const TRANSCRIPTION = "conversation.item.input_audio_transcription";

/**
 * One session, from `open` to its last event or `close`.
 *
 *     const session = await RealtimeSession.open({ url, turnDetection: null });
 *     await session.append(pcm);
 *     session.finish();
 *     for await (const event of session) console.log(event.type);
 */
export class RealtimeSession implements AsyncIterable<RealtimeEvent> {
  readonly #options: RealtimeOptions;
  readonly #url: string;
  readonly #events = new Channel<RealtimeEvent>(MAX_UNREAD);
  readonly #owed = new Set<string>();
  #connection: Connection | null = null;
  #numAnswers = 0;
  /** The answers to updates after which nothing new is committed; none before `finish`. */
  #lastAnswer = Number.POSITIVE_INFINITY;
  #numUpdates = 0;
  #over: { error: unknown } | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  private constructor(options: RealtimeOptions) {
    this.#options = options;
    this.#url = addressOf(options, "/", {}).origin.replace("ws", "http");
  }

  /**
   * Connect, and wait until the server has agreed to what is asked for.
   * @throws {ChorusError} it does not, and why.
   */
  static async open(options: RealtimeOptions = {}): Promise<RealtimeSession> {
    const session = new RealtimeSession(options);
    await session.#open();
    return session;
  }

  /**
   * Hand over PCM16, mono, of any length. Waits while the server has enough to do.
   * @throws {ChorusError} the session is over, and why.
   * @throws {TypeError} these are no samples of 16 bits.
   */
  async append(pcm: Int16Array): Promise<void> {
    const audio = base64Of(samplesOf(pcm));
    if (audio) this.#send({ type: "input_audio_buffer.append", audio });
    await whileFull(() => this.#connection?.isFull ?? false);
  }

  /** The utterance ends here. */
  commit(): void {
    this.#send({ type: "input_audio_buffer.commit" });
  }

  /** What was not committed is never told. */
  clear(): void {
    this.#send({ type: "input_audio_buffer.clear" });
  }

  /** Change what is asked for, as OpenAI's `session.update` has it; `session.updated` follows. */
  update(session: Record<string, unknown>): void {
    this.#numUpdates++;
    this.#send({ type: "session.update", session: { type: "transcription", ...session } });
  }

  /** No more audio; what was appended is told, and then the events end. */
  finish(): void {
    if (this.#over || this.#timer !== undefined) return;
    const timeoutMs = this.#options.finalTimeoutMs ?? FINAL_TIMEOUT_MS;
    this.#timer = setTimeout(
      () => this.#end(new AnswerTimeoutError(this.#url, timeoutMs)),
      timeoutMs,
    );
    this.commit();
    // An update that changes nothing: its answer comes behind all that the commit is answered by.
    this.#lastAnswer = this.#numUpdates + 1;
    this.update({});
  }

  /** All that the server says, in order, for one reader. */
  [Symbol.asyncIterator](): AsyncIterator<RealtimeEvent, void, void> {
    return this.#events[Symbol.asyncIterator]();
  }

  /** Give the session up, at once; may be called twice. */
  close(): void {
    this.#end(new ClosedError());
  }

  async #open(): Promise<void> {
    const { model, language, sampleRateHz = RATE_HZ, turnDetection } = this.#options;
    const query = { model, intent: "transcription" };
    const input = {
      format: { type: "audio/pcm", rate: sampleRateHz },
      ...(language === undefined ? {} : { transcription: { language } }),
      ...(turnDetection === undefined
        ? {}
        : { turn_detection: turnDetection && { type: "server_vad", ...turnDetection } }),
    };
    const update = { type: "session.update", session: { type: "transcription", audio: { input } } };
    this.#numUpdates++;
    const hear = (connection: Connection, message: Message) => this.#hear(connection, message);
    const connection = await begin(
      this.#options,
      "/v1/realtime",
      query,
      hear,
      JSON.stringify(update),
    );
    this.#connection = connection;
    void connection.closed.then((ended) => this.#end(ended));
  }

  #send(event: Record<string, unknown>): void {
    if (this.#over || !this.#connection) throw this.#over?.error ?? new ClosedError();
    this.#connection.send(JSON.stringify(event));
  }

  /** Whether the message is the one that says that audio may come. */
  #hear(connection: Connection, message: Message): boolean {
    const event = JSON.parse(message as string) as RealtimeEvent;
    switch (event.type) {
      case "session.updated":
        this.#numAnswers++;
        break;
      case "error":
        connection.complaint = event.error;
        // What was asked for at first is not agreed to.
        if (this.#numAnswers === 0) connection.end();
        break;
      case "input_audio_buffer.committed":
        this.#owed.add(event.item_id);
        break;
      case `${TRANSCRIPTION}.completed`:
      case `${TRANSCRIPTION}.failed`:
        this.#owed.delete(event.item_id);
        break;
    }
    this.#events.put(event);
    if (this.#events.hasEnded) this.close();
    else if (this.#numAnswers >= this.#lastAnswer && this.#owed.size === 0) this.#end();
    return event.type === "session.updated";
  }

  #end(error?: unknown): void {
    if (this.#over) return;
    this.#over = { error };
    clearTimeout(this.#timer);
    this.#events.end(error);
    this.#connection?.close();
    this.#connection = null;
  }
}
