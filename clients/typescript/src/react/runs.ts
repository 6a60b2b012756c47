/** What both hooks are: a source and a stream, from `start` to `stop`, once at a time. */

import { useCallback, useEffect, useRef, useState } from "react";
import type { Source } from "../audio/source.js";
import { ChorusError } from "../errors.js";

export type Status = "idle" | "starting" | "listening" | "away" | "finishing" | "failed";

/** What a hook streams to. */
export interface Sink {
  send(pcm: Int16Array): Promise<void>;
  finish(): unknown;
  close(): void;
}

export interface Run {
  readonly status: Status;
  readonly error: ChorusError | null;
  /** Begin anew; does nothing while it runs. */
  readonly start: () => void;
  /** No more audio; what was said is still told. */
  readonly stop: () => void;
}

/** What one run does with its stream: read it to its end. */
export interface Begun<S extends Sink> {
  readonly sink: S;
  readonly read: (sink: S) => Promise<void>;
}

interface Current {
  isGivenUp: boolean;
  source: Source | null;
  sink: Sink | null;
}

/**
 * @param listen opens what is heard.
 * @param begin opens the stream; `onAway` is told when its connection is lost and there again.
 */
export function useRun<S extends Sink>(
  listen: () => Promise<Source>,
  begin: (onAway: (isAway: boolean) => void) => Promise<Begun<S>>,
): Run {
  const [status, setStatus] = useState<Status>("idle");
  const [error, setError] = useState<ChorusError | null>(null);
  const current = useRef<Current | null>(null);
  const newest = useRef({ listen, begin });
  newest.current = { listen, begin };

  const start = useCallback(() => {
    if (current.current) return;
    const run: Current = { isGivenUp: false, source: null, sink: null };
    current.current = run;
    const tell = (next: Status) => {
      if (!run.isGivenUp) setStatus(next);
    };
    setError(null);
    tell("starting");
    follow(run, newest.current.listen, newest.current.begin, tell)
      .then(() => tell("idle"))
      .catch((reason: unknown) => {
        if (!run.isGivenUp) setError(errorOf(reason));
        tell("failed");
      })
      .finally(() => {
        release(run);
        if (current.current === run) current.current = null;
      });
  }, []);

  const stop = useCallback(() => {
    const run = current.current;
    if (run?.source) run.source.stop();
    else if (run) {
      // Nothing was heard yet.
      run.isGivenUp = true;
      current.current = null;
      setStatus("idle");
    }
  }, []);

  useEffect(
    () => () => {
      if (!current.current) return;
      current.current.isGivenUp = true;
      release(current.current);
      current.current = null;
    },
    [],
  );
  return { status, error, start, stop };
}

async function follow<S extends Sink>(
  run: Current,
  listen: () => Promise<Source>,
  begin: (onAway: (isAway: boolean) => void) => Promise<Begun<S>>,
  tell: (status: Status) => void,
): Promise<void> {
  let isHeard = true;
  const source = await listen();
  if (run.isGivenUp) return source.stop();
  run.source = source;
  const { sink, read } = await begin((isAway) => {
    if (isHeard) tell(isAway ? "away" : "listening");
  });
  run.sink = sink;
  if (run.isGivenUp) return sink.close();
  tell("listening");
  const reading = read(sink);
  reading.catch(() => {}); // thrown below, and by `send`
  for await (const pcm of source) await sink.send(pcm);
  isHeard = false;
  tell("finishing");
  sink.finish();
  await reading;
}

function release(run: Current): void {
  run.source?.stop();
  run.sink?.close();
}

function errorOf(reason: unknown): ChorusError {
  if (reason instanceof ChorusError) return reason;
  return new ChorusError("internal_error", String(reason), { cause: reason });
}
