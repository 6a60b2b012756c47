// What goes wrong, in the words of people.

const WORDS = {
  // the microphone
  "not-allowed":
    "The browser does not let this page hear you. Allow the microphone beside the address (the lock, or the crossed-out microphone), then press the button again.",
  "insecure-page":
    "Browsers give the microphone only to pages that came over https, or from this very machine (localhost). Recordings work here all the same.",
  "no-microphone": "No microphone was found. Plug one in, or drop a recording onto the page.",
  "microphone-busy": "The microphone is there, but something else holds it. Close other programs that record.",
  "no-sound": "This browser finds no sound in that file. WAV, MP3, FLAC, Ogg, M4A and WebM usually work.",
  // the server
  at_capacity: "The server is at capacity: every place for live streams is taken. Try again in a moment.",
  stream_limit_reached: "Your API key has as many streams open as it may. Close one, or try again later.",
  request_limit_reached: "Your API key has asked as often as it may for now. Try again in a minute.",
  audio_limit_reached: "Your API key has used up its audio for today.",
  model_unavailable: "The model is still starting. Try again in a moment.",
  shutting_down: "The server is being stopped or updated. Try again in a moment.",
  stream_idle: "The server heard nothing for a while: did this device sleep? Press the button and go on.",
  invalid_api_key: "The server does not know this API key.",
  key: "The server does not know this API key.",
  away: "The server does not answer. Is it running, and can this machine reach it?",
  lost: "The connection was lost and could not be made again. The text up to here is kept.",
  closed: "The server closed the stream. The text up to here is kept.",
  "no-answer": "The server took too long to answer. The text up to here is kept.",
  refused: "The server refused the stream.",
  "no-models":
    "This server has no model for live streams: its configuration needs one with `streaming`. Recordings can be transcribed through its API.",
};

/** Where they are others in a conversation. */
export const WORDS_OF_TALK = {
  "insecure-page":
    "Browsers give the microphone only to pages that came over https, or from this very machine (localhost). Ask who runs the server for an https address.",
  "no-microphone": "No microphone was found. Plug one in, choose it under Devices, then press the button again.",
  "device-lost":
    "The microphone is gone: unplugged, or taken back by the browser. Plug it in or choose another under Devices, then press the button again. What was said is kept.",
  "only-silence":
    "Nothing but silence comes from this device. Is it muted, or is another one meant? Choose it under Devices.",
  "no-models":
    "This server has no model that translates: its configuration needs a Canary. Transcripts can be had all the same.",
  "no-pairs":
    "This server translates, but has no voice for any language that it translates into: its configuration needs an entry under `synthesizers`.",
  "another-pair":
    "What the address asks for is not to be had on this server. Chosen is what is nearest to it: look at the languages before you speak.",
  at_capacity: "The server is at capacity: every place for conversations is taken. Try again in a moment.",
  lost: "The connection was lost and could not be made again. What was said up to here is kept.",
  closed: "The server closed the conversation. What was said up to here is kept.",
  "no-answer": "The server took too long to answer. What was said up to here is kept.",
  refused: "The server refused the conversation.",
};

/** What to tell of an error with a `kind`; what the server said itself, where we have no words. */
export function wordsFor({ kind, message }, own = {}) {
  return own[kind] ?? WORDS[kind] ?? (message || `Something went wrong (${kind}).`);
}
