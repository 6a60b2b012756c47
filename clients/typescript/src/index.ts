/** Live transcription and speech-to-speech translation with a Chorus server. */

export type { Server, Socket, SocketClass } from "./connection.js";
export * from "./errors.js";
export type { LiveText } from "./live/said.js";
export { LIVE_RATE_HZ, type LiveOptions, LiveStream } from "./live/stream.js";
export type * from "./realtime/events.js";
export { type RealtimeOptions, RealtimeSession, type ServerVad } from "./realtime/session.js";
export type { Returning } from "./returns.js";
export { Conversation, type ConversationOptions } from "./translation/conversation.js";
export type {
  ConversationEvent,
  Done,
  Failed,
  Ready,
  SpeechStarted,
  SpeechStopped,
  Spoken,
  Translated,
} from "./translation/events.js";
export { readWav, type Wav } from "./wav.js";
