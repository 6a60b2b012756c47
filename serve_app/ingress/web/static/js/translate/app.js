// The page of conversations: a press of the button in; what is said, translated, shown and spoken out.

import { $, askForKey, onKeys, say, unsay } from "../furniture.js";
import { Latencies } from "../latency.js";
import { Microphone, microphones, speakers } from "../recorder.js";
import { offerOfTranslation, savedKey, saveKey, whyRefused } from "../server.js";
import { WORDS_OF_TALK, wordsFor } from "../words.js";
import { Choice } from "./choice.js";
import { Player } from "./player.js";
import { Talk } from "./talk.js";
import { View } from "./view.js";

const view = new View();
const player = new Player();
const latencies = { text: new Latencies(), voice: new Latencies() };
let key = savedKey();
let choice = null;
let running = null; // the Talk, from the press of the button to the last sound

const tell = (error) => say(wordsFor(error, WORDS_OF_TALK));

async function load() {
  view.state = "loading";
  try {
    const offered = await offerOfTranslation(key);
    choice = new Choice(offered, location.search);
    view.showChoice(choice, offered.names, () => history.replaceState(null, "", choice.address));
    await showDevices();
    view.state = "idle";
    if (choice.isAnother) tell({ kind: "another-pair" });
  } catch (error) {
    view.state = "off";
    if (error.kind !== "key") return tell(error);
    if (key) tell(error);
    askForKey((given) => {
      saveKey(given);
      key = given;
      unsay();
      load();
    });
  }
}

async function speak() {
  const talk = (running = new Talk({ view, player, latencies, isGuarded }));
  unsay();
  view.state = "opening";
  view.beginRows(choice);
  const wakeLock = navigator.wakeLock?.request("screen").catch(() => null);
  try {
    await player.open(view.speaker);
    const open = () => Microphone.open(view.microphone);
    await talk.run(open, choice.asked, key);
  } catch (error) {
    talk.abandon();
    if (error.kind === "refused") tell({ kind: await whyRefused(key) });
    else if (error.kind !== "abandoned") tell(error);
  } finally {
    running = null;
    (await wakeLock)?.release();
    view.rows.removeOpen();
    view.state = "idle";
    view.tidy();
    await showDevices();
  }
}

/** The first press lets what was said be told to its end, the second does not. */
function press() {
  if ($("speak").disabled) return;
  if (!running) speak();
  else if (!running.isStopped) running.stop();
  else running.abandon();
}

/** Headphones keep what the page says from the microphone. */
function isGuarded() {
  return $("headphones").ariaPressed !== "true";
}

async function showDevices() {
  view.showDevices(await microphones(), await speakers());
}

function closeDevices() {
  if ($("devices").contains(document.activeElement)) $("devices").querySelector("summary").focus();
  $("devices").open = false;
}

function toggle(id) {
  const isOn = $(id).ariaPressed !== "true";
  $(id).ariaPressed = String(isOn);
  return isOn;
}

function mute() {
  const isOn = toggle("voice");
  player.isMuted = !isOn;
  $("voice").querySelector("span").textContent = isOn ? "Voice" : "Muted";
}

function save() {
  if ($("save").disabled) return;
  const now = new Date();
  const local = new Date(now.getTime() - now.getTimezoneOffset() * 60_000).toISOString();
  const [day, time] = [local.slice(0, 10), local.slice(11, 16)];
  const link = document.createElement("a");
  const title = `Chorus, ${day} ${time}\n\n`;
  link.href = URL.createObjectURL(new Blob([title, view.text], { type: "text/plain;charset=utf-8" }));
  link.download = `chorus-${day}-${time.replace(":", "")}.txt`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

$("speak").onclick = press;
addEventListener("click", ({ target }) => target.closest("#devices") || closeDevices());
$("voice").onclick = mute;
$("volume").oninput = () => (player.volume = Number($("volume").value) / 100);
$("headphones").onclick = () => toggle("headphones");
$("save").onclick = save;
$("clear").onclick = () => view.clear();
$("settings").onsubmit = (event) => event.preventDefault();

onKeys({
  " ": press,
  Escape: () => ($("devices").open ? closeDevices() : running && press()),
  s: () => $("swap").click(),
  b: () => $("both").click(),
  m: mute,
  h: () => $("headphones").click(),
  d: save,
  Delete: () => $("clear").click(),
});

// Leaving ends the conversation: asked about only while there is one.
addEventListener("beforeunload", (event) => running && event.preventDefault());
navigator.mediaDevices?.addEventListener?.("devicechange", () => running || showDevices());

load();
