import { expect, inject, test } from "vitest";
import { type CompletedEvent, type RealtimeEvent, RealtimeSession } from "../src/index.js";
import { blocks, DIGITS, digits, joined, silence, wordErrors } from "./recordings.js";
import { Wire } from "./wire.js";

const url = inject("url");
const MAX_ERRORS = 1;

test("what is committed is told as deltas, which are the transcript", async () => {
  const session = await RealtimeSession.open({ url, sampleRateHz: 16_000, turnDetection: null });
  const reading = allOf(session);
  for (const block of blocks(digits().pcm)) await session.append(block);
  session.finish();
  const events = await reading;
  const [completed, ...more] = completions(events);
  expect(more).toEqual([]);
  expect(wordErrors(DIGITS, completed?.transcript ?? "")).toBeLessThanOrEqual(MAX_ERRORS);
  const deltas = events.flatMap((event) =>
    event.type.endsWith(".delta") && "delta" in event ? [event.delta] : [],
  );
  expect(deltas.join("")).toBe(completed?.transcript);
});

test("with voice activity the server says where utterances end", async () => {
  const session = await RealtimeSession.open({
    url,
    sampleRateHz: 16_000,
    turnDetection: { silence_duration_ms: 700 },
  });
  const reading = allOf(session);
  const { pcm } = digits();
  for (const block of blocks(joined(pcm, silence(1.5), pcm, silence(1.5))))
    await session.append(block);
  session.finish();
  const events = await reading;
  const texts = completions(events)
    .map(({ transcript }) => transcript)
    .filter(Boolean);
  expect(wordErrors(`${DIGITS} ${DIGITS}`, texts.join(" "))).toBeLessThanOrEqual(2 * MAX_ERRORS);
  expect(texts.length).toBeGreaterThanOrEqual(2);
  expect(
    events.filter(({ type }) => type === "input_audio_buffer.speech_started").length,
  ).toBeGreaterThanOrEqual(2);
});

test("an empty block says nothing, and samples that are none of 16 bits are refused", async () => {
  const session = await RealtimeSession.open({ url, sampleRateHz: 16_000, turnDetection: null });
  const reading = allOf(session);
  await session.append(new Int16Array(0));
  await expect(session.append(Float32Array.of(0.5) as never)).rejects.toThrow("Int16Array");
  await session.append(digits().pcm);
  session.finish();
  const events = await reading;
  expect(events.filter(({ type }) => type === "error")).toEqual([]);
  expect(completions(events).length).toBe(1);
});

test("a session in which nothing was said ends", async () => {
  const session = await RealtimeSession.open({ url });
  const reading = allOf(session);
  session.finish();
  expect(completions(await reading)).toEqual([]);
});

test("what was cleared is not told", async () => {
  const session = await RealtimeSession.open({ url, sampleRateHz: 16_000, turnDetection: null });
  const reading = allOf(session);
  await session.append(digits().pcm);
  session.clear();
  session.finish();
  expect(completions(await reading)).toEqual([]);
});

test("what cannot be honoured is an error by its code", async () => {
  const opening = RealtimeSession.open({ url, sampleRateHz: 12_345 });
  await expect(opening).rejects.toMatchObject({
    name: "StreamEndedError",
    code: expect.stringMatching(/_/),
  });
});

test("a session whose connection breaks is over, and reader and sender hear of it", async () => {
  const wire = await Wire.to(url);
  const session = await RealtimeSession.open({ url: wire.url });
  const reading = allOf(session);
  await session.append(silence(0.1));
  wire.cut();
  await expect(reading).rejects.toMatchObject({ name: "StreamEndedError", closeCode: 1006 });
  await expect(session.append(silence(0.1))).rejects.toMatchObject({ closeCode: 1006 });
  wire.close();
});

async function allOf(session: RealtimeSession): Promise<RealtimeEvent[]> {
  const events: RealtimeEvent[] = [];
  for await (const event of session) events.push(event);
  return events;
}

function completions(events: RealtimeEvent[]): CompletedEvent[] {
  return events.filter((event): event is CompletedEvent => event.type.endsWith(".completed"));
}
