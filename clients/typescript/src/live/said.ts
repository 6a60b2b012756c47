/** Messages of `/asr`, of one connection after the other, in; the text of the whole stream, out. */

import type { Problem } from "../errors.js";
import type { KeptAudio } from "../kept.js";

/** What is understood of a stream so far. */
export interface LiveText {
  /** Never taken back; only ever grows. */
  readonly confirmed: string;
  /** May still change; begins with a space where one belongs between. */
  readonly unsure: string;
  /** All of the stream is told. */
  readonly isFinal: boolean;
  /** Since the newest audio in it was handed over; null where that is not known. */
  readonly latencyMs: number | null;
}

/** A message of the server's; docs/api.md, `/asr`. */
export interface AsrMessage {
  type: "config" | "partial" | "final" | "error";
  confirmed?: string;
  buffer?: string;
  text?: string;
  heard_s?: number;
  resume?: string;
  resume_s?: number;
  language?: string;
  model?: string;
  error?: Problem;
}

/**
 * Each connection says what came after the place where it took the stream up; it is put behind what
 * was final there. What the server has made final is dropped from `kept`.
 */
export class Said {
  /** To take the stream up where it is final now. */
  token = "";
  readonly #kept: KeptAudio;
  #final = "";
  /** Final where this connection began. */
  #before = "";
  #confirmed = "";

  constructor(kept: KeptAudio) {
    this.#kept = kept;
  }

  beginConnection(): void {
    this.#before = this.#final;
  }

  /** What a message says; null of one without text. */
  hear(message: AsrMessage): LiveText | null {
    const isFinal = message.type === "final";
    if (message.type !== "partial" && !isFinal) {
      this.#note(message, this.#final);
      return null;
    }
    const said = (isFinal ? message.text : message.confirmed) ?? "";
    let confirmed = joined(this.#before, said);
    const whole = joined(this.#before, said + (isFinal ? "" : (message.buffer ?? "")));
    this.#note(message, confirmed);
    // Heard again after a break: what was told before stays.
    if (!isFinal && this.#confirmed.startsWith(confirmed)) confirmed = this.#confirmed;
    this.#confirmed = confirmed;
    return {
      confirmed,
      unsure: whole.startsWith(confirmed) ? whole.slice(confirmed.length) : "",
      isFinal,
      latencyMs: this.#latencyMs(message.heard_s),
    };
  }

  /** A token, if there is one: what stands here, and all audio before, is final. */
  #note(message: AsrMessage, confirmed: string): void {
    if (message.resume === undefined) return;
    this.token = message.resume;
    this.#final = confirmed;
    this.#kept.dropBefore(message.resume_s ?? 0);
  }

  #latencyMs(heardS: number | undefined): number | null {
    const sentAt = heardS === undefined ? null : this.#kept.sentAtMs(heardS);
    return sentAt === null ? null : performance.now() - sentAt;
  }
}

function joined(settled: string, rest: string): string {
  return settled && rest ? `${settled} ${rest}` : settled || rest;
}
