// A recording as if it were spoken now, its words as they come: npm run live -- WAV [URL]
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { LIVE_RATE_HZ, LiveStream, readWav } from "chorus-speech";

const [path, url = "http://127.0.0.1:8000", speed = "1"] = process.argv.slice(2);
if (!path) throw new Error("npm run live -- WAV [URL [SPEED]]");
const { pcm, sampleRateHz } = readWav(await readFile(path));
if (sampleRateHz !== LIVE_RATE_HZ) throw new Error(`${path} is not of 16 kHz`);

const stream = await LiveStream.open({ url, language: "en" });

async function speak(): Promise<void> {
  for (let first = 0; first < pcm.length; first += 1600) {
    await stream.send(pcm.subarray(first, first + 1600));
    await sleep(100 / Number(speed));
  }
  await stream.finish();
}

const speaking = speak();
for await (const { confirmed, unsure } of stream) console.log(`${confirmed}|${unsure}`);
await speaking;
