/** Messages of `/ws/translate`, in; what they say, typed, out. */

import type { Problem } from "../errors.js";

/** Somebody began to speak; `atS` from the start of the stream. */
export interface SpeechStarted {
  readonly type: "speech_started";
  readonly utterance: number;
  readonly atS: number;
}

export interface SpeechStopped {
  readonly type: "speech_stopped";
  readonly utterance: number;
  readonly atS: number;
}

/** What an utterance means in the other language; replaces one of the same utterance before. */
export interface Translated {
  readonly type: "translation";
  readonly utterance: number;
  /** Null where no word was spoken. */
  readonly source: string | null;
  readonly target: string | null;
  readonly text: string;
  /** In the language spoken, where it was asked for. */
  readonly sourceText: string | null;
  readonly startS: number;
  readonly endS: number;
  readonly isFinal: boolean;
  /** From the arrival of the end of speech. */
  readonly latencyMs: number | null;
  /** The words are made up by a simulated engine. */
  readonly isSimulated: boolean;
}

/** One sentence, spoken. */
export interface Spoken {
  readonly type: "audio";
  readonly utterance: number;
  /** Of the utterance's sentences, from 0. */
  readonly part: number;
  readonly sampleRateHz: number;
  readonly durationS: number;
  readonly latencyMs: number | null;
  /** A whole file, header included. */
  readonly wav: ArrayBuffer;
}

/** All of an utterance is told. */
export interface Done {
  readonly type: "done";
  readonly utterance: number;
  readonly textMs: number | null;
  readonly soundMs: number | null;
}

/** An utterance that could not be translated or spoken; `done` follows, and the conversation goes on. */
export interface Failed {
  readonly type: "failed";
  readonly utterance: number;
  readonly error: Problem;
}

export type ConversationEvent = SpeechStarted | SpeechStopped | Translated | Spoken | Done | Failed;

/** What the server agreed to. */
export interface Ready {
  readonly mode: string;
  readonly languages: readonly string[];
  readonly sampleRateHz: number;
  readonly model: string;
  /** By language. */
  readonly voices: Readonly<Record<string, string>>;
  readonly isSimulated: boolean;
}

/** Any message of the server's with `events`; the fields of a kind are there where it is that kind. */
export interface TranslateMessage {
  type: ConversationEvent["type"] | "ready" | "error";
  utterance: number;
  at_s: number;
  src: string | null;
  tgt: string | null;
  text: string;
  source_text?: string | null;
  start_s: number;
  end_s: number;
  is_final: boolean;
  latency_ms: number | null | { text: number | null; sound: number | null };
  part: number;
  sample_rate: number;
  duration_s: number;
  error: Problem;
  mode: string;
  languages: string[];
  model: string;
  voices: Record<string, string>;
  simulated?: boolean;
}

export function readyOf(message: TranslateMessage): Ready {
  const { mode, languages, sample_rate, model, voices, simulated } = message;
  return {
    mode,
    languages,
    sampleRateHz: sample_rate,
    model,
    voices,
    isSimulated: simulated ?? false,
  };
}

/**
 * What a message says, in a stream whose connection began at `offsetS` with utterance `base`; null
 * of a kind that this client does not know. Sound lacks its `wav`, which is the next message.
 */
export function eventOf(
  message: TranslateMessage,
  base: number,
  offsetS: number,
): Exclude<ConversationEvent, Spoken> | Omit<Spoken, "wav"> | null {
  const utterance = base + message.utterance;
  const latency = message.latency_ms;
  const latencyMs = typeof latency === "number" ? latency : null;
  switch (message.type) {
    case "speech_started":
    case "speech_stopped":
      return { type: message.type, utterance, atS: offsetS + message.at_s };
    case "translation":
      return {
        type: "translation",
        utterance,
        source: message.src,
        target: message.tgt,
        text: message.text,
        sourceText: message.source_text ?? null,
        startS: offsetS + message.start_s,
        endS: offsetS + message.end_s,
        isFinal: message.is_final,
        latencyMs,
        isSimulated: message.simulated ?? false,
      };
    case "audio": {
      const { part, sample_rate: sampleRateHz, duration_s: durationS } = message;
      return { type: "audio", utterance, part, sampleRateHz, durationS, latencyMs };
    }
    case "done": {
      const { text = null, sound = null } = typeof latency === "object" ? (latency ?? {}) : {};
      return { type: "done", utterance, textMs: text, soundMs: sound };
    }
    case "failed":
      return { type: "failed", utterance, error: message.error };
    default:
      return null;
  }
}
