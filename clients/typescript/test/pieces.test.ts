// What needs no server.
import { expect, test } from "vitest";
import { guarded, levelOf, Resampler, type Source, Turn } from "../src/audio/index.js";
import { ChorusError, ServerError, StreamEndedError } from "../src/errors.js";
import { mayPass, readWav, UnreadError } from "../src/index.js";
import { KeptAudio } from "../src/kept.js";
import { type Utterance, withEvent } from "../src/react/use-translation.js";
import { Channel, Latest } from "../src/unread.js";
import { digits } from "./recordings.js";

test("kept audio is dropped to the sample, and knows where it begins", () => {
  const kept = new KeptAudio(1000);
  kept.add(Int16Array.of(1, 2, 3), 0);
  kept.add(Int16Array.of(4, 5), 10);
  kept.dropBefore(0.001);
  expect(kept.blocks.map((block) => [...block])).toEqual([
    [2, 3],
    [4, 5],
  ]);
  kept.dropBefore(0.004);
  expect([kept.firstS, kept.sentS, kept.keptS]).toEqual([0.004, 0.005, 0.001]);
  expect(kept.blocks.map((block) => [...block])).toEqual([[5]]);
  kept.dropBefore(9);
  expect([kept.firstS, kept.keptS]).toEqual([0.005, 0]);
});

test("audio that is sent again has no second latency", () => {
  const kept = new KeptAudio(1000);
  kept.add(Int16Array.of(1, 2, 3), 7);
  expect(kept.sentAtMs(0.002)).toBe(7);
  expect(kept.sentAtMs(0.002)).toBeNull();
  expect(kept.sentAtMs(0.003)).toBe(7);
});

test("kept audio knows how much of it was handed over since", () => {
  const kept = new KeptAudio(1000);
  for (const atMs of [0, 10, 20]) kept.add(Int16Array.of(1, 2, 3), atMs);
  // The block at that moment is not counted: it may have been spoken long before.
  expect([0, 5, 20, 21].map((thenMs) => kept.sentSinceS(thenMs))).toEqual([0.006, 0.003, 0, 0]);
});

test("who reads slowly reads the newest of what replaces one another", async () => {
  const latest = new Latest<number>();
  latest.put(1);
  latest.put(2);
  latest.end();
  expect(await allOf(latest)).toEqual([2]);
});

test("a channel gives all, in order, and then its error", async () => {
  const channel = new Channel<number>(3);
  for (const value of [1, 2, 3]) channel.put(value);
  channel.end(new ChorusError("closed", "over"));
  const read: number[] = [];
  const reading = (async () => {
    for await (const value of channel) read.push(value);
  })();
  await expect(reading).rejects.toThrow("over");
  expect(read).toEqual([1, 2, 3]);
});

test("a channel that nobody reads ends", async () => {
  const channel = new Channel<number>(2);
  for (const value of [1, 2, 3]) channel.put(value);
  expect(channel.hasEnded).toBe(true);
  await expect(allOf(channel)).rejects.toBeInstanceOf(UnreadError);
});

test("a rate of 48 kHz becomes 16 kHz: speech passes, what would fold is gone", () => {
  for (const fromHz of [44_100, 48_000]) {
    expect(loudness(resampled(tone(1000, fromHz), fromHz))).toBeCloseTo(Math.SQRT1_2, 2);
    expect(loudness(resampled(tone(11_000, fromHz), fromHz))).toBeLessThan(0.001);
  }
});

test("what comes in pieces is resampled as if it came at once", () => {
  const whole = tone(440, 48_000);
  const resampler = new Resampler(48_000, 16_000);
  const pieces: number[] = [];
  for (let first = 0; first < whole.length; first += 128) {
    pieces.push(...resampler.push(whole.subarray(first, first + 128)));
  }
  pieces.push(...resampler.rest());
  expect(pieces).toEqual(resampled(whole, 48_000));
  expect(Math.abs(pieces.length - whole.length / 3)).toBeLessThanOrEqual(1);
});

test("what is heard while something plays becomes silence of the same length", async () => {
  let isSpeaking = false;
  const source: Source = {
    stop: () => {},
    async *[Symbol.asyncIterator]() {
      yield Int16Array.of(1, 2);
      isSpeaking = true;
      yield Int16Array.of(3, 4, 5);
      isSpeaking = false;
      yield Int16Array.of(6);
    },
  };
  const heard = await allOf(guarded(source, { isSpeaking: () => isSpeaking }));
  expect(heard.map((block) => [...block])).toEqual([[1, 2], [0, 0, 0], [6]]);
});

test("a sound waits while somebody speaks, in its order, and not for ever", async () => {
  const turn = new Turn();
  const played: string[] = [];
  const play = (name: string) => turn.quiet.then(() => void played.push(name));
  await play("first");
  turn.speechStarted();
  const both = [play("second"), play("third")];
  await Promise.resolve();
  expect(played).toEqual(["first"]);
  turn.speechStopped();
  await Promise.all(both);
  expect(played).toEqual(["first", "second", "third"]);
  const impatient = new Turn(1);
  impatient.speechStarted();
  await impatient.quiet;
});

test("a WAV is read to its last sample, also when it is cut short", () => {
  const { pcm, sampleRateHz } = digits();
  expect([pcm.length, sampleRateHz]).toEqual([41_982, 16_000]);
  const header = new Uint8Array(44);
  expect(() => readWav(header)).toThrow(TypeError);
  expect(levelOf(pcm)).toBeGreaterThan(0.3);
  expect(levelOf(new Int16Array(100))).toBe(0);
});

test("of telephones, too: each code of G.711 is the sample that FFmpeg reads", () => {
  // Weighed by their codes, so that none can stand for another.
  const weighed = (samples: Int16Array) =>
    samples.reduce((sum, sample, code) => sum + sample * (code + 1), 0);
  const codes = Uint8Array.from({ length: 256 }, (_, code) => code);
  const [aLaw, muLaw] = [6, 7].map((tag) => readWav(wavOf(tag, 1, codes)).pcm);
  expect([0, 0x55, 0x80, 0xaa, 0xd5, 0xff].map((code) => aLaw?.[code])).toEqual([
    -5504, -8, 5504, 32_256, 8, 848,
  ]);
  expect([0, 0x55, 0x7f, 0x80, 0xaa, 0xff].map((code) => muLaw?.[code])).toEqual([
    -32_124, -716, 0, 32_124, 5372, 0,
  ]);
  expect([aLaw, muLaw].map((samples) => samples && weighed(samples))).toEqual([
    100_139_008, 98_107_392,
  ]);
  expect([...readWav(wavOf(7, 2, Uint8Array.of(0, 0x80, 0x80, 0xff))).pcm]).toEqual([0, 16_062]);
  expect(() => readWav(wavOf(2, 1, codes))).toThrow("G.711");
});

test("who is told to come back comes back; who is told why not does not", () => {
  for (const code of [1001, 1006, 1012, 1013])
    expect(mayPass(new StreamEndedError(code, ""))).toBe(true);
  for (const code of [1000, 1003, 1007, 1008, 1009, 1011]) {
    expect(mayPass(new StreamEndedError(code, ""))).toBe(false);
  }
  const tomorrow = { message: "the key has had its audio", code: "audio_limit_reached" };
  expect(mayPass(new StreamEndedError(1013, "", tomorrow))).toBe(false);
  expect(mayPass(new ServerError(429, { message: "full", code: "at_capacity" }))).toBe(true);
  expect(mayPass(new ServerError(429, tomorrow))).toBe(false);
  expect(mayPass(new ServerError(401, { message: "no", code: "invalid_api_key" }))).toBe(false);
});

test("utterances are shown by their number, and without words not at all", () => {
  const text = {
    source: "en",
    target: "ru",
    sourceText: null,
    startS: 0,
    endS: 1,
    isSimulated: false,
  };
  let shown: readonly Utterance[] = [];
  const told = (utterance: number, words: string, isFinal: boolean) => {
    const event = {
      type: "translation",
      utterance,
      text: words,
      isFinal,
      latencyMs: 5,
      ...text,
    } as const;
    shown = withEvent(shown, event);
  };
  told(0, "раз", false);
  told(0, "раз два", true);
  told(1, "", true);
  shown = withEvent(shown, { type: "failed", utterance: 2, error: { message: "no voice" } });
  shown = withEvent(shown, { type: "done", utterance: 2, textMs: null, soundMs: null });
  expect(shown.map(({ id, text: words, problem }) => [id, words, problem])).toEqual([
    [0, "раз два", null],
    [2, "", "no voice"],
  ]);
});

/** As telephones record: 8 bits of 8 kHz. */
function wavOf(tag: number, numChannels: number, codes: Uint8Array): Uint8Array {
  const wav = new Uint8Array(44 + codes.length);
  const view = new DataView(wav.buffer);
  wav.set(new TextEncoder().encode("RIFF----WAVEfmt "));
  view.setUint32(16, 16, true);
  view.setUint16(20, tag, true);
  view.setUint16(22, numChannels, true);
  view.setUint32(24, 8000, true);
  view.setUint16(34, 8, true);
  wav.set(new TextEncoder().encode("data"), 36);
  view.setUint32(40, codes.length, true);
  wav.set(codes, 44);
  return wav;
}

function tone(hertz: number, rateHz: number): Float32Array {
  return Float32Array.from({ length: rateHz }, (_, index) =>
    Math.sin((2 * Math.PI * hertz * index) / rateHz),
  );
}

function resampled(samples: Float32Array, fromHz: number): number[] {
  const resampler = new Resampler(fromHz, 16_000);
  return [...resampler.push(samples), ...resampler.rest()];
}

/** Root mean square of the middle: the ends ring. */
function loudness(samples: number[]): number {
  const middle = samples.slice(1000, -1000);
  return Math.sqrt(middle.reduce((sum, sample) => sum + sample ** 2, 0) / middle.length);
}

async function allOf<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const value of values) all.push(value);
  return all;
}
