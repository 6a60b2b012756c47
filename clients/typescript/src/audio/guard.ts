/** Half duplex: what is heard while something plays is its echo, and becomes silence. */

import type { Source } from "./source.js";

/** Who may be speaking; a `Player` is one. */
export interface Speaker {
  isSpeaking(tailMs?: number): boolean;
}

/** Rooms ring, and microphones are late. */
const TAIL_MS = 300;

/** The same samples, in the same time, but zeros while `speaker` speaks and `tailMs` after. */
export function guarded(source: Source, speaker: Speaker, tailMs = TAIL_MS): Source {
  return {
    stop: () => source.stop(),
    async *[Symbol.asyncIterator]() {
      for await (const pcm of source) {
        yield speaker.isSpeaking(tailMs) ? new Int16Array(pcm.length) : pcm;
      }
    },
  };
}
