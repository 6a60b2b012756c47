import { afterEach, expect, inject, test } from "vitest";
import {
  Conversation,
  type ConversationEvent,
  type ConversationOptions,
  readWav,
  ServerError,
  type Spoken,
  StreamEndedError,
  type Translated,
} from "../src/index.js";
import { blocks, joined, phrase, silence } from "./recordings.js";
import { Wire } from "./wire.js";

const url = inject("url");
const ENGLISH = phrase("en-1.wav");
const RUSSIAN = phrase("ru-2.wav");
let wire: Wire | undefined;

afterEach(() => {
  wire?.close();
  wire = undefined;
});

test("English comes back as Russian text and Russian sound, which means the English again", async () => {
  const events = await told({ url, from: "en", to: "ru", sourceText: true }, ENGLISH.wav.pcm);
  const kinds = events.map(({ type }) => type);
  expect(kinds.slice(0, 4)).toEqual(["speech_started", "speech_stopped", "translation", "audio"]);
  expect(kinds.at(-1)).toBe("done");
  const [translation] = translations(events);
  expect(translation).toMatchObject({
    utterance: 0,
    source: "en",
    target: "ru",
    text: ENGLISH.translations.ru,
    sourceText: ENGLISH.text,
    isFinal: true,
    isSimulated: false,
  });
  const sounds = spoken(events);
  for (const [index, { part, sampleRateHz, durationS, wav }] of sounds.entries()) {
    const { pcm, sampleRateHz: rateHz } = readWav(wav);
    expect([part, rateHz]).toEqual([index, sampleRateHz]);
    expect(pcm.length / rateHz).toBeCloseTo(durationS, 2);
  }
  const sound = joined(...sounds.map(({ wav }) => readWav(wav).pcm));
  const back = await told(
    { url, from: "ru", to: "en", sampleRateHz: 24_000, speech: false },
    sound,
  );
  expect(translations(back).map(({ text }) => text)).toEqual([ENGLISH.text]);
  expect(spoken(back)).toEqual([]);
});

test("between two languages each is told in the other", async () => {
  const both = joined(ENGLISH.wav.pcm, silence(1.2), RUSSIAN.wav.pcm);
  const events = await told({ url, between: ["en", "ru"], speech: false }, both);
  expect(translations(events).map(({ source, target, text }) => [source, target, text])).toEqual([
    ["en", "ru", ENGLISH.translations.ru],
    ["ru", "en", RUSSIAN.translations.en],
  ]);
  expect(events.filter(({ type }) => type === "done").map(({ utterance }) => utterance)).toEqual([
    0, 1,
  ]);
});

test("an empty block says nothing, and does not say that this was all", async () => {
  const talk = await Conversation.open({ url, from: "en", to: "de", speech: false });
  const reading = allOf(talk);
  await talk.send(new Int16Array(0));
  await talk.send(ENGLISH.wav.pcm);
  talk.finish();
  expect(translations(await reading).map(({ text }) => text)).toEqual([ENGLISH.translations.de]);
});

test("samples that are none of 16 bits are refused, not heard as silence", async () => {
  const talk = await Conversation.open({ url, from: "en", to: "de", speech: false });
  await expect(talk.send(Float32Array.of(0.5) as never)).rejects.toThrow("Int16Array");
  talk.close();
});

test("a direction and a pair at once are refused, since one of them would be ignored", async () => {
  const between = ["en", "ru"] as const;
  for (const one of [{ from: "en" }, { to: "ru" }, { from: "en", to: "ru" }]) {
    await expect(Conversation.open({ url, between, ...one })).rejects.toThrow("`between`");
  }
});

test("a flush ends an utterance, and the next one follows", async () => {
  const talk = await Conversation.open({ url, from: "en", to: "de", speech: false });
  const reading = allOf(talk);
  for (let time = 0; time < 2; time++) {
    for (const block of blocks(ENGLISH.wav.pcm)) await talk.send(block);
    talk.flush();
  }
  talk.finish();
  const texts = translations(await reading).map(({ text }) => text);
  expect(texts).toEqual([ENGLISH.translations.de, ENGLISH.translations.de]);
});

test("a cut connection loses no utterance and tells none twice", async () => {
  wire = await Wire.to(url);
  const speech = joined(
    ENGLISH.wav.pcm,
    silence(1.2),
    RUSSIAN.wav.pcm,
    silence(1.2),
    ENGLISH.wav.pcm,
  );
  const options = { from: undefined, between: ["en", "ru"] as const, sourceText: true };
  const uncut = await told({ url, ...options }, speech);
  const talk = await Conversation.open({ url: wire.url, ...options });
  const events: ConversationEvent[] = [];
  const reading = (async () => {
    for await (const event of talk) {
      events.push(event);
      // The first between its text and its sound, the second before its text.
      const isText = event.type === "translation" && event.utterance === 0;
      if (isText || (event.type === "speech_stopped" && event.utterance === 1)) wire?.cut();
    }
  })();
  for (const block of blocks(speech)) await talk.send(block);
  talk.finish();
  await reading;
  expect(talk.numReturns).toBeGreaterThan(0);
  expect(order(events)).toEqual(order(uncut));
  expect(translations(events).map(({ text }) => text)).toEqual(
    translations(uncut).map(({ text }) => text),
  );
  for (const [index, { startS }] of translations(events).entries()) {
    expect(startS).toBeCloseTo(translations(uncut)[index]?.startS ?? 0, 0);
  }
});

test("what cannot be translated is an error that names the option", async () => {
  const opening = Conversation.open({ url, from: "en", to: "ja" });
  await expect(opening).rejects.toBeInstanceOf(StreamEndedError);
  await expect(opening).rejects.toMatchObject({ closeCode: 1008 });
  await expect(
    Conversation.open({ url, from: "en", to: "ru", voice: "nobody" }),
  ).rejects.toMatchObject({
    code: "invalid_option",
    param: "voice",
  });
});

test("a path where nothing translates is an error by its status", async () => {
  const opening = Conversation.open({ url: `${url}/elsewhere/`, from: "en", to: "ru" });
  await expect(opening).rejects.toBeInstanceOf(ServerError);
});

async function told(options: ConversationOptions, pcm: Int16Array): Promise<ConversationEvent[]> {
  const talk = await Conversation.open(options);
  const reading = allOf(talk);
  for (const block of blocks(pcm)) await talk.send(block);
  talk.finish();
  return reading;
}

async function allOf(talk: Conversation): Promise<ConversationEvent[]> {
  const events: ConversationEvent[] = [];
  for await (const event of talk) events.push(event);
  return events;
}

function translations(events: ConversationEvent[]): Translated[] {
  return events.filter((event): event is Translated => event.type === "translation");
}

function spoken(events: ConversationEvent[]): Spoken[] {
  return events.filter((event): event is Spoken => event.type === "audio");
}

/** What is told of each utterance; utterances overlap as they please. */
function order(events: ConversationEvent[]): string[] {
  return events
    .map((event) => `${event.utterance} ${event.type} ${event.type === "audio" ? event.part : ""}`)
    .sort();
}
