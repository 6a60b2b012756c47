// The page: a press of the button in, a stream with its sound and its text out.

import { $, askForKey, flash, onKeys, say, unsay } from "../furniture.js";
import { Latencies } from "../latency.js";
import { levelOf, Microphone, microphones, Playback, Rush, soundIn } from "../recorder.js";
import { offer, savedKey, saveKey, whyRefused } from "../server.js";
import { wordsFor } from "../words.js";
import { Stream } from "./socket.js";
import { View } from "./view.js";

const view = new View();
const chosen = { model: "", language: "", key: savedKey() };
let running = null; // {sound, stream, isStopped} from the press of the button to the last word

async function load() {
  view.state = "loading";
  try {
    const offered = await offer(chosen.key);
    if (offered.models.length === 0) throw { kind: "no-models" };
    view.showOffer(offered, (model, language) => Object.assign(chosen, { model, language }));
    view.showMicrophones(await microphones());
    view.state = "idle";
  } catch (error) {
    view.state = "off";
    if (error.kind !== "key") return say(wordsFor(error));
    if (chosen.key) say(wordsFor(error));
    askForKey((key) => {
      saveKey(key);
      chosen.key = key;
      unsay();
      load();
    });
  }
}

/** One take: `openSound` gives what makes blocks; the stream takes them until there are no more. */
async function take(name, openSound, state) {
  if (running) return;
  const own = (running = { sound: null, stream: null, isStopped: false });
  unsay();
  view.state = "opening";
  try {
    await run(own, name, openSound, state);
  } catch (error) {
    own.stream?.abandon();
    own.sound?.stop();
    if (error.kind !== "abandoned") say(wordsFor(await explained(error)));
  } finally {
    view.endTake();
    running = null;
    view.state = "idle";
  }
}

async function run(own, name, openSound, state) {
  own.sound = await openSound(() => own.stream.ready());
  if (own.isStopped) return own.sound.stop();
  view.beginTake(name);
  const latencies = new Latencies();
  const stream = (own.stream = new Stream(chosen));
  const isPaced = !(own.sound instanceof Rush);
  let endedAtMs = null;
  stream.ontext = ({ confirmed, unsure, heardS }) => {
    view.tell(confirmed, unsure);
    const latencyMs = isPaced && endedAtMs === null && heardS ? stream.latencyMs(heardS) : null;
    if (latencyMs !== null) view.showLatency(latencyMs, latencies.add(latencyMs));
  };
  stream.onaway = (isAway) => {
    if (view.state !== "finishing") view.state = isAway ? "away" : state;
  };
  own.sound.onblock = (pcm) => {
    stream.send(pcm);
    view.level = levelOf(pcm);
  };
  // Sound before the server takes any is kept: who speaks at once loses nothing.
  await own.sound.start();
  stream.opened.then(() => view.state === "opening" && (view.state = state), () => {});
  await Promise.race([own.sound.ended, stream.finished]);
  endedAtMs = performance.now();
  view.state = "finishing";
  stream.finish();
  await stream.finished;
  if (isPaced) view.showFinalLatency(performance.now() - endedAtMs, latencies.typical);
}

async function explained(error) {
  return error.kind === "refused" ? { kind: await whyRefused(chosen.key) } : error;
}

async function speak() {
  await take("", () => Microphone.open(view.microphone), "live");
  view.showMicrophones(await microphones());
}

function play(file) {
  const isFast = $("pace").ariaPressed === "true";
  const open = async (ready) => {
    const buffer = await soundIn(file);
    return isFast ? new Rush(buffer, ready) : new Playback(buffer);
  };
  return take(file.name, open, "playing");
}

function stop() {
  if (!running || running.isStopped) return;
  running.isStopped = true;
  running.sound?.stop();
}

function press() {
  if ($("speak").disabled) return;
  if (running) stop();
  else speak();
}

async function copy() {
  if (!view.text) return;
  try {
    await navigator.clipboard.writeText(view.text);
    flash("copy", "Copied");
  } catch {
    // Not given to pages that came without https: the reader's own hand can.
    getSelection().selectAllChildren($("words"));
    flash("copy", "Ctrl-C");
  }
}

$("speak").onclick = press;
$("choose").onclick = () => $("file").click();
$("file").onchange = () => {
  const [file] = $("file").files;
  if (file) play(file);
  $("file").value = "";
};
$("pace").onclick = () => {
  $("pace").ariaPressed = String($("pace").ariaPressed !== "true");
};
$("copy").onclick = copy;
$("clear").onclick = () => view.clear();
$("settings").onsubmit = (event) => event.preventDefault();

onKeys({ " ": press, Escape: stop, f: () => $("choose").click(), c: copy, Delete: () => $("clear").click() });

for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  addEventListener(kind, (event) => {
    event.preventDefault();
    const isOver = kind === "dragenter" || kind === "dragover";
    document.body.classList.toggle("is-dropping", isOver && !running && view.state === "idle");
  });
}
addEventListener("drop", (event) => {
  const [file] = event.dataTransfer.files;
  if (file && view.state === "idle") play(file);
});

navigator.mediaDevices?.addEventListener?.("devicechange", async () => view.showMicrophones(await microphones()));

load();
