// What real people said (tiny/samples), and how many words of it were heard wrong.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { readWav, type Wav } from "../src/index.js";

const SAMPLES = resolve(import.meta.dirname, "../../../tiny/samples");

interface Entry {
  file: string;
  text: string;
  translations: Record<string, string>;
}

export const DIGITS: string =
  entries("samples.json").find(({ file }) => file === "digits-1.wav")?.text ?? "";

function entries(name: string): Entry[] {
  return JSON.parse(readFileSync(resolve(SAMPLES, name), "utf8"));
}

export function digits(): Wav {
  return readWav(readFileSync(resolve(SAMPLES, "digits-1.wav")));
}

export function silence(durationS: number, rateHz = 16_000): Int16Array {
  return new Int16Array(Math.round(durationS * rateHz));
}

export function* blocks(pcm: Int16Array, size = 1600): Generator<Int16Array> {
  for (let first = 0; first < pcm.length; first += size) yield pcm.subarray(first, first + size);
}

export function joined(...parts: Int16Array[]): Int16Array {
  const whole = new Int16Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Levenshtein's distance between two texts, in words. */
export function wordErrors(said: string, heard: string): number {
  const [first, second] = [words(said), words(heard)];
  let row = second.map((_, index) => index).concat(second.length);
  for (const [index, word] of first.entries()) {
    const next = [index + 1];
    for (const [column, other] of second.entries()) {
      const replaced = (row[column] ?? 0) + (word === other ? 0 : 1);
      next.push(Math.min(replaced, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

export function words(text: string): string[] {
  return text.toLowerCase().match(/\p{L}+/gu) ?? [];
}

/** A phrase of tiny/samples/canary, and what it means. */
export function phrase(name: string): {
  wav: Wav;
  text: string;
  translations: Record<string, string>;
} {
  const entry = entries("canary/samples.json").find(({ file }) => file === name);
  if (!entry) throw new Error(`there is no ${name}`);
  const wav = readWav(readFileSync(resolve(SAMPLES, "canary", name)));
  return { wav, text: entry.text, translations: entry.translations };
}
