// Speech to speech: npm run interpret -- WAV FROM TO [URL]; a file for each sentence.
import { readFile, writeFile } from "node:fs/promises";
import { Conversation, readWav } from "chorus-speech";

const [path, from = "en", to = "ru", url = "http://127.0.0.1:8000"] = process.argv.slice(2);
if (!path) throw new Error("npm run interpret -- WAV FROM TO [URL]");
const { pcm, sampleRateHz } = readWav(await readFile(path));

const talk = await Conversation.open({ url, from, to, sampleRateHz, sourceText: true });
await talk.send(pcm);
talk.finish();
for await (const event of talk) {
  if (event.type === "translation") console.log(`${event.sourceText} → ${event.text}`);
  if (event.type === "failed") console.error(event.error.message);
  if (event.type === "audio") {
    const name = `sentence-${event.utterance}-${event.part}.wav`;
    await writeFile(name, new Uint8Array(event.wav));
    console.log(`${name}: ${event.durationS} s`);
  }
}
