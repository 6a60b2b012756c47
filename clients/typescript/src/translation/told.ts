/**
 * Events of one connection after the other, in; those of the whole conversation, each once, out.
 *
 * After a break the utterance under way is heard and told once more: of it, what was told before is
 * left out. What the server is done with is dropped from `kept`.
 */

import type { KeptAudio } from "../kept.js";
import { type ConversationEvent, eventOf, type Spoken, type TranslateMessage } from "./events.js";

/** Of silence, in which nothing is settled. */
const MAX_KEPT_S = 60;

export class Told {
  readonly #kept: KeptAudio;
  /** The first utterance and the place in the stream of this connection. */
  #base = 0;
  #offsetS = 0;
  #nextUtterance = 0;
  /** Of utterances that are not done, `number:kind:part`. */
  readonly #told = new Set<string>();
  readonly #ends = new Map<number, number>();
  #sound: Omit<Spoken, "wav"> | null = null;

  constructor(kept: KeptAudio) {
    this.#kept = kept;
  }

  beginConnection(): void {
    this.#base = this.#nextUtterance;
    this.#offsetS = this.#kept.firstS;
    this.#sound = null;
  }

  /** What is new in a message; null where nothing is. */
  hear(message: TranslateMessage): ConversationEvent | null {
    const event = eventOf(message, this.#base, this.#offsetS);
    if (event?.type === "audio") {
      this.#sound = event;
      return null;
    }
    // A text that is not final is replaced anyway.
    const isPassing = event?.type === "translation" && !event.isFinal;
    if (!event || (!isPassing && this.#isKnown(event))) return null;
    if (event.type === "speech_stopped") this.#ends.set(event.utterance, event.atS);
    if (event.type === "translation") this.#ends.set(event.utterance, event.endS);
    if (event.type === "done") this.#settle(event.utterance);
    return event;
  }

  /** The sound that was announced. */
  hearSound(wav: ArrayBuffer): Spoken | null {
    const sound = this.#sound;
    this.#sound = null;
    return sound && !this.#isKnown(sound) ? { ...sound, wav } : null;
  }

  /** Silence is not settled by anything: of it, and of what nobody answers, so much is kept. */
  trim(): void {
    const firstS = this.#kept.sentS - MAX_KEPT_S;
    if (firstS > this.#kept.firstS) this.#kept.dropBefore(firstS);
  }

  #isKnown(event: { type: string; utterance: number; part?: number }): boolean {
    const key = `${event.utterance}:${event.type}:${event.part ?? ""}`;
    if (this.#told.has(key)) return true;
    this.#told.add(key);
    return false;
  }

  #settle(utterance: number): void {
    this.#nextUtterance = utterance + 1; // they are told in order
    for (const key of this.#told) if (key.startsWith(`${utterance}:`)) this.#told.delete(key);
    const endS = this.#ends.get(utterance);
    this.#ends.delete(utterance);
    if (endS !== undefined) this.#kept.dropBefore(endS);
  }
}
