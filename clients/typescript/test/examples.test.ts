// What lies in examples/typescript, and what stands in the README, run as a user would.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { readWav } from "../src/index.js";
import { DIGITS, phrase, wordErrors } from "./recordings.js";

const ROOT = resolve(import.meta.dirname, "../../..");
const EXAMPLES = resolve(ROOT, "examples/typescript");
const TSX = resolve(EXAMPLES, "node_modules/.bin/tsx");
const DIGITS_FILE = resolve(ROOT, "tiny/samples/digits-1.wav");
const ENGLISH_FILE = resolve(ROOT, "tiny/samples/canary/en-1.wav");
const url = inject("url");
const run = promisify(execFile);
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "examples-"));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

// `make clients` installs and builds what they need.
const ifInstalled = test.skipIf(!existsSync(TSX));

ifInstalled("a recording is heard as if it were spoken now", async () => {
  const { stdout } = await example("live.ts", DIGITS_FILE, url, "8");
  const lines = stdout.trim().split("\n");
  expect(lines.length).toBeGreaterThan(1);
  expect(wordErrors(DIGITS, lines.at(-1) ?? "")).toBeLessThanOrEqual(1);
});

ifInstalled("speech comes back in another language, a file for each sentence", async () => {
  const { text, translations } = phrase("en-1.wav");
  const { stdout } = await example("interpret.ts", ENGLISH_FILE, "en", "ru", url);
  expect(stdout.split("\n")[0]).toBe(`${text} → ${translations.ru}`);
  const spoken = readWav(await readFile(join(folder, "sentence-0-0.wav")));
  expect(spoken.pcm.length).toBeGreaterThan(spoken.sampleRateHz / 2);
});

ifInstalled("the README's programs for Node run", async () => {
  const readme = await readFile(resolve(ROOT, "clients/typescript/README.md"), "utf8");
  const programs = [...readme.matchAll(/```ts\n(.*?)```/gs)].map(([, program]) => program ?? "");
  expect(programs.length).toBeGreaterThanOrEqual(3);
  for (const [index, program] of programs.entries()) {
    // Beside the examples, so that what they import is found.
    const path = resolve(EXAMPLES, `readme-${process.pid}-${index}.ts`);
    await writeFile(path, program.replaceAll("http://127.0.0.1:8000", url));
    try {
      const { stdout } = await run(TSX, [path], { cwd: ROOT });
      expect(stdout.trim()).not.toBe("");
    } finally {
      await rm(path);
    }
  }
});

ifInstalled("bundlers are told of no package", async () => {
  const built = await readFile(resolve(ROOT, "clients/typescript/dist/connection.js"), "utf8");
  expect(built).toMatch(/\bimport\(/);
  expect(built).not.toMatch(/\bimport\([^)]*["'`]/);
});

ifInstalled("with Node's own WebSocket, as with a browser's, a refusal is told apart", async () => {
  const program = `
    import { LiveStream } from "chorus-speech";
    const stream = await LiveStream.open({ url: "${url}" });
    await stream.send(new Int16Array(16_000));
    const { isFinal } = await stream.finish();
    const codes = await Promise.all(
      [{ url: "${url}", model: "nobody" }, { url: "http://127.0.0.1:1" }].map((options) =>
        LiveStream.open(options).catch(({ code }) => code),
      ),
    );
    console.log(JSON.stringify([typeof WebSocket, isFinal, ...codes]));
  `;
  // Of Node 20; newer ones have it anyway.
  const flags = ["--experimental-websocket", "--input-type=module", "--eval", program];
  const { stdout } = await run(process.execPath, flags, { cwd: EXAMPLES });
  expect(JSON.parse(stdout)).toEqual(["function", true, "refused", "unreachable"]);
});

function example(name: string, ...options: string[]): Promise<{ stdout: string }> {
  return run(TSX, [resolve(EXAMPLES, "src", name), ...options], { cwd: folder });
}
