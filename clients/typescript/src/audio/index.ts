/** Microphone and loudspeaker, for browsers. */

export { guarded, type Speaker } from "./guard.js";
export { Player } from "./player.js";
export { Recorder, type RecorderOptions } from "./recorder.js";
export { Resampler } from "./resample.js";
export { levelOf, type Source } from "./source.js";
export { Turn } from "./turn.js";
