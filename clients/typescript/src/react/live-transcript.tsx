/** A button and what is said: the smallest whole user interface of a live transcription. */

import type { ReactNode } from "react";
import type { Status } from "./runs.js";
import { type TranscriptionOptions, useTranscription } from "./use-transcription.js";

export interface LiveTranscriptProps extends TranscriptionOptions {
  className?: string | undefined;
  /** Of the button, before and while it listens. */
  startLabel?: ReactNode;
  stopLabel?: ReactNode;
  /** Shown while nothing was said. */
  placeholder?: ReactNode;
}

const SAID: Partial<Record<Status, string>> = {
  starting: "Connecting …",
  listening: "Listening",
  away: "Connection lost; coming back …",
  finishing: "Last words …",
};

/**
 * Style it by its classes: `chorus-transcript`, and in it `chorus-button`, `chorus-status`,
 * `chorus-error`, `chorus-words`, `chorus-unsure`.
 */
export function LiveTranscript(props: LiveTranscriptProps): ReactNode {
  const { className, startLabel, stopLabel, placeholder, ...options } = props;
  const { status, error, confirmed, unsure, start, stop } = useTranscription(options);
  const isRunning = status !== "idle" && status !== "failed";
  return (
    <section
      className={["chorus-transcript", className].filter(Boolean).join(" ")}
      data-status={status}
    >
      <button
        type="button"
        className="chorus-button"
        aria-pressed={isRunning}
        disabled={status === "finishing"}
        onClick={isRunning ? stop : start}
      >
        {isRunning ? (stopLabel ?? "Stop") : (startLabel ?? "Speak")}
      </button>
      <span className="chorus-status" role="status">
        {SAID[status]}
      </span>
      {error && (
        <p className="chorus-error" role="alert">
          {error.message}
        </p>
      )}
      <p className="chorus-words" aria-live="polite">
        {confirmed || unsure ? confirmed : placeholder}
        {unsure && <span className="chorus-unsure">{unsure}</span>}
      </p>
    </section>
  );
}
