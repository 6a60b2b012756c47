// @vitest-environment jsdom
// The component and the hooks, with the real client and the real server; of a browser only the
// microphone and the loudspeaker are missing, and tests/browser has those.
import {
  act,
  cleanup,
  fireEvent,
  render,
  renderHook,
  screen,
  waitFor,
} from "@testing-library/react";
import { afterEach, expect, inject, test } from "vitest";
import { WebSocket } from "ws";
import type { Source } from "../src/audio/index.js";
import { readWav, type SocketClass } from "../src/index.js";
import {
  LiveTranscript,
  useTranscription,
  useTranslation,
  type Voice,
} from "../src/react/index.js";
import { blocks, DIGITS, digits, phrase, wordErrors } from "./recordings.js";
import { Wire } from "./wire.js";

// jsdom's own says that it comes from a page of another site, which servers refuse.
const server = { url: inject("url"), WebSocket: WebSocket as unknown as SocketClass };
const WITHIN = { timeout: 20_000 };
const MAX_ERRORS = 1;
let wire: Wire | undefined;

afterEach(() => {
  cleanup();
  wire?.close();
  wire = undefined;
});

test("pressing the button shows what is said", async () => {
  const { container } = render(<LiveTranscript {...server} source={recording(digits().pcm)} />);
  fireEvent.click(screen.getByRole("button", { name: "Speak" }));
  expect(screen.getByRole("button").getAttribute("aria-pressed")).toBe("true");
  await waitFor(() => expect(screen.getByRole("button", { name: "Speak" })).toBeTruthy(), WITHIN);
  const said = container.querySelector(".chorus-words")?.textContent ?? "";
  expect(wordErrors(DIGITS, said)).toBeLessThanOrEqual(MAX_ERRORS);
  expect(container.querySelector("section")?.dataset.status).toBe("idle");
});

test("an error is shown in words, and pressing again begins anew", async () => {
  const view = (model?: string) => (
    <LiveTranscript
      {...server}
      model={model}
      source={recording(digits().pcm)}
      placeholder="Nothing yet"
    />
  );
  const { rerender } = render(view("nobody"));
  fireEvent.click(screen.getByRole("button"));
  await waitFor(() => expect(screen.getByRole("alert").textContent).toContain("nobody"), WITHIN);
  expect(screen.getByText("Nothing yet")).toBeTruthy();
  rerender(view());
  fireEvent.click(screen.getByRole("button"));
  await waitFor(() => expect(screen.queryByRole("alert")).toBeNull(), WITHIN);
  await waitFor(() => expect(screen.queryByText("Nothing yet")).toBeNull(), WITHIN);
});

test("a connection that is cut shows as away, and comes back with all words", async () => {
  wire = await Wire.to(server.url);
  const held = heldBack(digits().pcm, 30);
  const statuses: string[] = [];
  const options = { ...server, url: wire.url, source: async () => held.source };
  const { result } = renderHook(() => {
    const transcription = useTranscription(options);
    statuses.push(transcription.status);
    return transcription;
  });
  act(() => result.current.start());
  await waitFor(
    () => expect(result.current.confirmed + result.current.unsure).not.toBe(""),
    WITHIN,
  );
  wire.cut();
  await waitFor(() => expect(result.current.status).toBe("away"), WITHIN);
  held.release();
  await waitFor(() => expect(result.current.status).toBe("idle"), WITHIN);
  expect(wordErrors(DIGITS, result.current.confirmed)).toBeLessThanOrEqual(MAX_ERRORS);
  expect(statuses).toContain("listening");
  expect(result.current.error).toBeNull();
});

test("a component that goes away closes its stream", async () => {
  wire = await Wire.to(server.url);
  const held = heldBack(digits().pcm, 10);
  const source = async () => held.source;
  const { unmount } = render(<LiveTranscript {...server} url={wire.url} source={source} />);
  fireEvent.click(screen.getByRole("button"));
  await waitFor(() => expect(screen.getByRole("status").textContent).toBe("Listening"), WITHIN);
  expect(wire.isUsed).toBe(true);
  unmount();
  expect(held.isStopped()).toBe(true);
  await waitFor(() => expect(wire?.isUsed).toBe(false), WITHIN);
});

test("what is said in English is shown and played in Russian", async () => {
  const english = phrase("en-1.wav");
  const played: ArrayBuffer[] = [];
  const voice: Voice = {
    isSpeaking: () => false,
    play: async (wav) => void played.push(wav),
    close: async () => {},
  };
  const options = {
    ...server,
    from: "en",
    to: "ru",
    sourceText: true,
    source: recording(english.wav.pcm),
    player: () => voice,
  };
  const { result } = renderHook(() => useTranslation(options));
  act(() => result.current.start());
  expect(result.current.status).toBe("starting");
  await waitFor(() => expect(result.current.status).toBe("idle"), WITHIN);
  expect(result.current.error).toBeNull();
  expect(result.current.utterances).toMatchObject([
    { id: 0, source: "en", target: "ru", text: english.translations.ru, sourceText: english.text },
  ]);
  expect(result.current.utterances[0]?.soundMs).not.toBeNull();
  expect(played.length).toBeGreaterThan(0);
  for (const wav of played) expect(readWav(wav).pcm.length).toBeGreaterThan(0);
});

/** In place of the microphone. */
function recording(pcm: Int16Array): () => Promise<Source> {
  return async () => ({
    stop: () => {},
    async *[Symbol.asyncIterator]() {
      yield* blocks(pcm);
    },
  });
}

/** The first blocks at once; the others when they are released. */
function heldBack(pcm: Int16Array, numFirst: number) {
  let release = () => {};
  let isStopped = false;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const all = [...blocks(pcm)];
  const source: Source = {
    stop: () => {
      isStopped = true;
      release();
    },
    async *[Symbol.asyncIterator]() {
      yield* all.slice(0, numFirst);
      await released;
      yield* all.slice(numFirst);
    },
  };
  return { source, release: () => release(), isStopped: () => isStopped };
}
