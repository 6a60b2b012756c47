// A choice and states in; the controls of a conversation and its rows, out.

import { $, fill, fillDevices, seconds, Status } from "../furniture.js";
import { Levels } from "../levels.js";
import { Rows } from "./rows.js";

const STATES = {
  loading: "Connecting to the server",
  off: "Not ready",
  idle: "Ready",
  opening: "Getting ready",
  live: "Listening",
  sounding: "Speaking, microphone rests",
  away: "Connection lost, coming back",
  finishing: "Finishing, press again to end it now",
};
const LIVE = ["live", "sounding"];
const BUSY = new Set(["opening", "live", "sounding", "away", "finishing"]);

export class View {
  rows = new Rows($("rows"));
  #names = {};
  #status = new Status(STATES, LIVE);
  #levels = new Levels($("levels"));

  // the top

  /** Show the choice, and call `changed` when it has become another. */
  showChoice(choice, names, changed) {
    this.#names = names;
    const act = (change) => () => {
      change();
      this.#tellChoice(choice);
      changed();
    };
    $("from").onchange = act(() => {
      if ($("from").value === choice.to && choice.canSwap) choice.swap();
      else choice.choose($("from").value, choice.to);
    });
    $("to").onchange = act(() => choice.choose(choice.from, $("to").value));
    $("swap").onclick = act(() => choice.swap());
    $("both").onclick = act(() => choice.setBoth(!choice.isBoth));
    for (const side of ["from", "to"]) {
      const voice = $(`voice-${side}`);
      voice.onchange = act(() => choice.chooseVoice(choice[side], voice.value));
    }
    $("model").onchange = act(() => choice.chooseModel($("model").value));
    fill($("model"), choice.models.map(({ id, simulated }) => [id, simulated ? `${id} · made-up words` : id]));
    $("models").hidden = choice.models.length < 2 && !choice.model.simulated;
    act(() => {})();
  }

  #tellChoice(choice) {
    const named = (codes) =>
      codes.map((code) => [code, this.nameOf(code)]).sort(([, a], [, b]) => a.localeCompare(b));
    fill($("from"), named(choice.sources));
    fill($("to"), named(choice.targets));
    $("from").value = choice.from;
    $("to").value = choice.to;
    $("model").value = choice.model.id;
    this.#tellVoices(choice, "to", true);
    this.#tellVoices(choice, "from", choice.isBoth);
    $("swap").dataset.can = choice.canSwap;
    $("both").dataset.can = choice.canSwap;
    $("both").ariaPressed = String(choice.isBoth);
    document.body.classList.toggle("is-both", choice.isBoth);
    this.#tidy();
  }

  #tellVoices(choice, side, isSpoken) {
    const language = choice[side];
    const voices = choice.voicesOf(language);
    fill($(`voice-${side}`), voices.map((voice) => [voice, voice]));
    $(`voice-${side}`).value = choice.voiceOf(language);
    $(`voice-${side}-name`).textContent = `${this.nameOf(language)} voice`;
    $(`voices-${side}`).hidden = !isSpoken || voices.length < 2;
  }

  nameOf(code) {
    return this.#names[code] ?? code;
  }

  showDevices(microphones, speakers) {
    fillDevices($("microphone"), microphones);
    fillDevices($("speaker"), speakers);
    $("microphones").hidden = microphones.length === 0;
    $("speakers").hidden = speakers.length < 2;
    $("devices-unknown").hidden = microphones.length > 0;
  }

  get microphone() {
    return $("microphone").value;
  }

  get speaker() {
    return $("speaker").value || undefined;
  }

  // the texts

  /** From here on rows are of this pair. */
  beginRows({ from, to, isBoth }) {
    this.rows.beginPair({ from, to, isBoth }, [this.nameOf(from), this.nameOf(to)]);
  }

  /** Read aloud, where a screen reader listens. */
  announce({ src, tgt, text, sourceText }) {
    const line = document.createElement("p");
    const add = (language, words) => {
      const span = document.createElement("span");
      span.lang = language;
      span.textContent = `${words} `;
      line.append(span);
    };
    if (sourceText) add(src, sourceText);
    add(tgt, text);
    $("said").append(line);
    if ($("said").childElementCount > 20) $("said").firstChild.remove();
  }

  clear() {
    this.rows.clear();
    $("said").replaceChildren();
    $("latency").hidden = true;
    this.#tidy();
  }

  /** The whole conversation, or "". */
  get text() {
    return this.rows.text(this.#names);
  }

  // the bottom

  get state() {
    return this.#status.state;
  }

  set state(state) {
    if (state === this.#status.state) return;
    this.#status.state = state;
    document.body.classList.toggle("is-live", this.#status.isLive);
    document.body.classList.toggle("is-resting", state === "sounding");
    document.body.classList.toggle("is-busy", this.isBusy);
    $("speak").disabled = state === "loading" || state === "off";
    $("speak").ariaLabel = this.isBusy ? "Stop" : "Speak";
    $("speak").title = this.isBusy ? "Stop (space bar)" : "Speak (space bar)";
    if (!this.isBusy) {
      this.#levels.clear();
      $("speak").style.removeProperty("--level");
    }
    this.#tidy();
  }

  get isBusy() {
    return BUSY.has(this.state);
  }

  set level(level) {
    this.#levels.add(level);
    $("speak").style.setProperty("--level", level.toFixed(2));
  }

  /** Of the newest utterance, and what is usual; `voice` may still be missing. */
  showLatency(text, voice) {
    const figure = (words, latency) => {
      const number = document.createElement("b");
      number.textContent = seconds(latency.latestMs);
      return [`${words} after `, number];
    };
    const parts = figure("text", text);
    if (voice) parts.push(" · ", ...figure("voice", voice));
    const usual = document.createElement("span");
    usual.className = "usual";
    usual.textContent = ` · half within ${seconds((voice ?? text).typical.p50Ms)}`;
    $("latency").replaceChildren(...parts, usual);
    $("latency").hidden = false;
  }

  tidy() {
    this.#tidy();
  }

  #tidy() {
    const { isBusy } = this;
    const isOff = $("speak").disabled;
    for (const id of ["from", "to", "model", "voice-from", "voice-to"]) $(id).disabled = isOff || isBusy;
    for (const id of ["swap", "both"]) $(id).disabled = isOff || isBusy || $(id).dataset.can !== "true";
    for (const id of ["microphone", "speaker"]) $(id).disabled = isBusy;
    const hasRows = this.rows.size > 0;
    $("talk").hidden = !hasRows;
    $("invitation").hidden = hasRows;
    $("save").disabled = !this.text;
    $("clear").disabled = !hasRows || isBusy;
  }
}
