import { once } from "node:events";
import { afterEach, beforeAll, expect, inject, test } from "vitest";
import { WebSocketServer } from "ws";
import {
  AnswerTimeoutError,
  ConnectionLostError,
  LiveStream,
  type LiveText,
  ServerError,
  UnreachableError,
} from "../src/index.js";
import { blocks, DIGITS, digits, joined, silence, wordErrors, words } from "./recordings.js";
import { Wire } from "./wire.js";

const url = inject("url");
const MAX_ERRORS = 1;
let model: string;
let wire: Wire | undefined;

beforeAll(async () => {
  const { data } = await (await fetch(`${url}/v1/models`)).json();
  model = data.find(
    (each: { streaming: boolean; simulated: boolean }) => each.streaming && !each.simulated,
  ).id;
});

afterEach(() => {
  wire?.close();
  wire = undefined;
});

test("words appear while they are spoken, and stay", async () => {
  const stream = await LiveStream.open({ url, model, language: "en" });
  const reading = allOf(stream);
  for (const block of blocks(digits().pcm)) await stream.send(block);
  const final = await stream.finish();
  const texts = await reading;
  expect(wordErrors(DIGITS, final.confirmed)).toBeLessThanOrEqual(MAX_ERRORS);
  expect(texts.at(-1)).toEqual(final);
  expect(texts.length).toBeGreaterThan(1);
  expectGrowing(texts);
  expect(texts.some(({ latencyMs }) => latencyMs !== null && latencyMs >= 0)).toBe(true);
});

test("an empty block says nothing, and does not say that this was all", async () => {
  const { pcm } = digits();
  const stream = await LiveStream.open({ url, model });
  await stream.send(pcm.subarray(0, 8000));
  await stream.send(new Int16Array(0));
  await stream.send(pcm.subarray(8000));
  const { confirmed } = await stream.finish();
  expect(wordErrors(DIGITS, confirmed)).toBeLessThanOrEqual(MAX_ERRORS);
});

test("samples that are none of 16 bits are refused, not heard as silence", async () => {
  const stream = await LiveStream.open({ url, model });
  for (const samples of [Float32Array.of(0.5), Uint8Array.of(1, 2)]) {
    await expect(stream.send(samples as never)).rejects.toThrow("Int16Array");
  }
  expect((await stream.finish()).isFinal).toBe(true);
});

test("a cut connection loses no word and says none twice", async () => {
  const { pcm } = digits();
  const spoken = joined(pcm, silence(1), pcm, silence(1), pcm);
  const uncut = await heard(url, spoken);
  expect(words(uncut).length).toBeGreaterThan(2 * words(DIGITS).length);
  wire = await Wire.to(url);
  const away: boolean[] = [];
  const stream = await LiveStream.open({
    url: wire.url,
    model,
    onAway: (isAway) => away.push(isAway),
  });
  const texts: LiveText[] = [];
  // In the middle of the first and of the third time.
  const cutBehind = [2, 2.4 * words(DIGITS).length];
  let numCuts = 0;
  const reading = (async () => {
    for await (const text of stream) {
      texts.push(text);
      if (words(text.confirmed).length > (cutBehind[numCuts] ?? Number.POSITIVE_INFINITY)) {
        numCuts++;
        wire?.cut();
      }
    }
  })();
  for (const block of blocks(spoken)) await stream.send(block);
  const final = await stream.finish();
  await reading;
  expect(numCuts).toBe(2);
  expect(stream.numReturns).toBe(2);
  expect(away).toEqual([true, false, true, false]);
  expect(final.confirmed).toBe(uncut);
  expectGrowing(texts);
});

test("a connection that is cut behind the last audio still brings the last text", async () => {
  wire = await Wire.to(url);
  const stream = await LiveStream.open({ url: wire.url, model });
  for (const block of blocks(digits().pcm)) await stream.send(block);
  wire.cut();
  const final = await stream.finish();
  expect(stream.numReturns).toBe(1);
  expect(wordErrors(DIGITS, final.confirmed)).toBeLessThanOrEqual(MAX_ERRORS);
});

test("who does not come back in time is lost, and reader, sender and finisher hear of it", async () => {
  wire = await Wire.to(url);
  const stream = await LiveStream.open({ url: wire.url, model, maxAwayMs: 600 });
  const reading = allOf(stream);
  const sending = stream.send(silence(1));
  wire.cut({ stays: true });
  await expect(reading).rejects.toBeInstanceOf(ConnectionLostError);
  await expect(stream.finish()).rejects.toMatchObject({ code: "connection_lost" });
  await sending.catch(() => {});
  await expect(stream.send(silence(1))).rejects.toBeInstanceOf(ConnectionLostError);
});

test("an unknown model is an error that says so by its code", async () => {
  const opening = LiveStream.open({ url, model: "nobody" });
  await expect(opening).rejects.toBeInstanceOf(ServerError);
  await expect(opening).rejects.toMatchObject({
    status: 404,
    code: "model_not_found",
    param: "model",
  });
});

test("a language that the model does not know is an error, too", async () => {
  const opening = LiveStream.open({ url, model, language: "xx" });
  await expect(opening).rejects.toMatchObject({ status: 400, code: "unsupported_language" });
});

test("an address where nobody listens is unreachable", async () => {
  wire = await Wire.to(url);
  const gone = wire.url;
  wire.close();
  await expect(LiveStream.open({ url: gone })).rejects.toBeInstanceOf(UnreachableError);
});

test("a server that says nothing is waited for no longer than was asked", async () => {
  const { createServer } = await import("node:net");
  const mute = createServer(() => {});
  await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
  const { port } = mute.address() as { port: number };
  const opening = LiveStream.open({ url: `http://127.0.0.1:${port}`, openTimeoutMs: 200 });
  await expect(opening).rejects.toBeInstanceOf(AnswerTimeoutError);
  mute.close();
});

test("a key travels as a subprotocol, which pages can send, and not in the address", async () => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const asked = new Promise<{ offered: string | undefined; path: string | undefined }>(
    (resolve) => {
      server.on("connection", (socket, request) => {
        resolve({ offered: request.headers["sec-websocket-protocol"], path: request.url });
        socket.send(JSON.stringify({ type: "config", resume: "T", resume_s: 0 }));
      });
    },
  );
  const stream = await LiveStream.open({ url: `http://127.0.0.1:${port}`, apiKey: "k-1" });
  expect(await asked).toEqual({
    offered: "realtime,openai-insecure-api-key.k-1",
    path: "/asr?resume=",
  });
  stream.close();
  server.close();
});

test("a server that speaks something else is no Chorus server", async () => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.on("connection", (socket) => socket.send("hello"));
  const opening = LiveStream.open({ url: `http://127.0.0.1:${port}` });
  await expect(opening).rejects.toThrow("no Chorus server");
  server.close();
});

test("a stream that is closed ends its reader, and may be closed twice", async () => {
  const stream = await LiveStream.open({ url, model });
  const reading = allOf(stream);
  stream.close();
  stream.close();
  await expect(reading).rejects.toMatchObject({ code: "closed" });
});

test("who has spoken and is told that nothing came was cut off, and comes back", async () => {
  const deaf = await Deaf.served();
  const stream = await LiveStream.open({ url: deaf.url });
  for (const block of blocks(silence(4))) await stream.send(block);
  const final = await stream.finish();
  expect(final).toMatchObject({ confirmed: "all of it", isFinal: true });
  expect(stream.numReturns).toBe(1);
  expect(deaf.heardS).toEqual([4, 4]);
  deaf.close();
});

test("who has hardly spoken and is told that nothing came does not come back", async () => {
  const deaf = await Deaf.served(1);
  const stream = await LiveStream.open({ url: deaf.url });
  const reading = allOf(stream);
  for (const block of blocks(silence(1))) await stream.send(block).catch(() => {});
  await expect(reading).rejects.toMatchObject({ code: "stream_idle", closeCode: 1008 });
  expect([stream.numReturns, deaf.heardS.length]).toEqual([0, 1]);
  deaf.close();
});

/** Speaks `/asr`, and says of its first connection that nothing came, behind `deafS` of audio. */
class Deaf {
  readonly heardS: number[] = [];
  readonly #server = new WebSocketServer({ port: 0, host: "127.0.0.1" });

  static async served(deafS = 4): Promise<Deaf> {
    const deaf = new Deaf();
    await once(deaf.#server, "listening");
    deaf.#server.on("connection", (socket) => {
      const connection = deaf.heardS.push(0) - 1;
      const tell = (message: object) => socket.send(JSON.stringify(message));
      tell({ type: "config", resume: "T", resume_s: 0 });
      socket.on("message", (bytes: Buffer) => {
        const heardS = Number(((deaf.heardS[connection] ?? 0) + bytes.length / 32_000).toFixed(3));
        deaf.heardS[connection] = heardS;
        if (connection === 0 && heardS === deafS) {
          tell({ type: "error", error: { message: "nothing came", code: "stream_idle" } });
          socket.close(1008, "stream_idle");
        } else if (bytes.length === 0) {
          tell({ type: "final", text: "all of it" });
          socket.close(1000);
        }
      });
    });
    return deaf;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  close(): void {
    this.#server.close();
  }
}

async function heard(address: string, pcm: Int16Array): Promise<string> {
  const stream = await LiveStream.open({ url: address, model });
  for (const block of blocks(pcm)) await stream.send(block);
  return (await stream.finish()).confirmed;
}

async function allOf(stream: LiveStream): Promise<LiveText[]> {
  const texts: LiveText[] = [];
  for await (const text of stream) texts.push(text);
  return texts;
}

function expectGrowing(texts: LiveText[]): void {
  for (const [index, text] of texts.entries()) {
    expect(text.confirmed.startsWith(texts[index - 1]?.confirmed ?? "")).toBe(true);
  }
}
