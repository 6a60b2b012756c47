/** Events of OpenAI's Realtime API that a transcription session knows, under their own names. */

import type { Problem } from "../errors.js";

interface Event<Type extends string> {
  readonly type: Type;
  readonly event_id: string;
}

export interface SessionEvent extends Event<"session.created" | "session.updated"> {
  readonly session: Readonly<Record<string, unknown>>;
}

export interface SpeechStartedEvent extends Event<"input_audio_buffer.speech_started"> {
  readonly item_id: string;
  readonly audio_start_ms: number;
}

export interface SpeechStoppedEvent extends Event<"input_audio_buffer.speech_stopped"> {
  readonly item_id: string;
  readonly audio_end_ms: number;
}

export interface CommittedEvent extends Event<"input_audio_buffer.committed"> {
  readonly item_id: string;
  readonly previous_item_id: string | null;
}

export type ClearedEvent = Event<"input_audio_buffer.cleared">;

/** Text that stays; all deltas of an item are its transcript. */
export interface DeltaEvent extends Event<"conversation.item.input_audio_transcription.delta"> {
  readonly item_id: string;
  readonly content_index: number;
  readonly delta: string;
}

export interface CompletedEvent
  extends Event<"conversation.item.input_audio_transcription.completed"> {
  readonly item_id: string;
  readonly content_index: number;
  readonly transcript: string;
  readonly usage: { readonly type: "duration"; readonly seconds: number };
  readonly languages?: readonly { readonly code: string }[];
}

export interface FailedEvent extends Event<"conversation.item.input_audio_transcription.failed"> {
  readonly item_id: string;
  readonly error: Problem;
}

/** A mistake of this client's; the session goes on as it was. */
export interface ErrorEvent extends Event<"error"> {
  readonly error: Problem & { readonly event_id?: string | null };
}

export type RealtimeEvent =
  | SessionEvent
  | SpeechStartedEvent
  | SpeechStoppedEvent
  | CommittedEvent
  | ClearedEvent
  | DeltaEvent
  | CompletedEvent
  | FailedEvent
  | ErrorEvent;
