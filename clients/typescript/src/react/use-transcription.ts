/** What is said, as text, while it is spoken. */

import { useState } from "react";
import { Recorder, type RecorderOptions } from "../audio/recorder.js";
import type { Source } from "../audio/source.js";
import { type LiveOptions, LiveStream } from "../live/stream.js";
import { type Run, useRun } from "./runs.js";

export interface TranscriptionOptions extends LiveOptions {
  recorder?: RecorderOptions | undefined;
  /** In place of the microphone. */
  source?: (() => Promise<Source>) | undefined;
}

export interface Transcription extends Run {
  /** Stays. */
  readonly confirmed: string;
  /** May still change. */
  readonly unsure: string;
  readonly latencyMs: number | null;
}

const NOTHING = { confirmed: "", unsure: "", latencyMs: null };

/** A live transcription of the microphone, from `start()` to `stop()`. */
export function useTranscription(options: TranscriptionOptions = {}): Transcription {
  const [text, setText] = useState<Omit<Transcription, keyof Run>>(NOTHING);
  const { source, recorder, onAway: tellAway, ...live } = options;
  const listen = source ?? (() => Recorder.open(recorder));
  const run = useRun(listen, async (onAway) => {
    setText(NOTHING);
    const both = (isAway: boolean) => {
      onAway(isAway);
      tellAway?.(isAway);
    };
    const sink = await LiveStream.open({ ...live, onAway: both });
    const read = async (stream: LiveStream) => {
      for await (const { confirmed, unsure, latencyMs } of stream) {
        setText((before) => ({ confirmed, unsure, latencyMs: latencyMs ?? before.latencyMs }));
      }
    };
    return { sink, read };
  });
  return { ...run, ...text };
}
