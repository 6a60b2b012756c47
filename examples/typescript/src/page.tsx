// A page of one's own: what is said as text, and in another language. npm run dev
import { LiveTranscript, useTranslation } from "chorus-speech/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "./page.css";

function Interpreter() {
  const { status, error, utterances, start, stop } = useTranslation({
    from: "en",
    to: "ru",
    sourceText: true,
  });
  const isRunning = status !== "idle" && status !== "failed";
  return (
    <section data-status={status}>
      <button type="button" onClick={isRunning ? stop : start} disabled={status === "finishing"}>
        {isRunning ? "Stop" : "Translate"}
      </button>
      {error && <p role="alert">{error.message}</p>}
      <ol aria-live="polite">
        {utterances.map(({ id, text, sourceText, soundMs, problem }) => (
          <li key={id}>
            <p>{sourceText}</p>
            <p lang="ru">{problem ?? text}</p>
            {soundMs !== null && <small>first sound after {soundMs} ms</small>}
          </li>
        ))}
      </ol>
    </section>
  );
}

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <h1>Transcribe</h1>
      <LiveTranscript placeholder="Press, and say some digits." />
      <h1>English to Russian</h1>
      <Interpreter />
    </StrictMode>,
  );
}
