// Text and states in; the page, out.

import { $, fill, fillDevices, seconds, Status } from "../furniture.js";
import { Levels } from "../levels.js";

const STATES = {
  loading: "Connecting to the server",
  off: "Not ready",
  idle: "Ready",
  opening: "Getting ready",
  live: "Listening",
  playing: "Playing",
  away: "Connection lost, coming back",
  finishing: "Finishing",
};
const LIVE = ["live", "playing"];
const BUSY = new Set(["opening", "live", "playing", "away", "finishing"]);

/** What is said in one go: words that stay, and those that may change. */
class Take {
  #said = document.createElement("span");
  #unsure = document.createElement("span");
  text = "";

  constructor(name) {
    this.element = document.createElement("p");
    this.element.className = "take";
    if (name) this.element.dataset.name = name;
    this.#unsure.className = "unsure";
    // A screen reader gets each word once, when it stays.
    this.#unsure.ariaHidden = "true";
    this.element.append(this.#said, this.#unsure);
  }

  tell(confirmed, unsure) {
    if (!confirmed.startsWith(this.text)) {
      this.#said.replaceChildren();
      this.text = "";
    }
    const fresh = confirmed.slice(this.text.length);
    if (fresh) {
      const span = document.createElement("span");
      span.className = "fresh";
      span.textContent = fresh;
      this.#said.append(span);
      this.text = confirmed;
    }
    const isJoined = !unsure || !confirmed || /\s$/.test(confirmed) || /^\s/.test(unsure);
    this.#unsure.textContent = isJoined ? unsure : ` ${unsure}`;
  }

  get isEmpty() {
    return !this.text && !this.#unsure.textContent;
  }
}

export class View {
  #takes = [];
  #take = null;
  #status = new Status(STATES, LIVE);
  #levels = new Levels($("levels"));

  // the top

  showOffer({ models, names }, choose) {
    fill($("model"), models.map((model) => [model.id, model.simulated ? `${model.id} · made-up words` : model.id]));
    $("model").onchange = () => {
      const model = models.find(({ id }) => id === $("model").value);
      const own = (model?.languages ?? []).map((code) => [code, names[code] ?? code]);
      own.sort(([, a], [, b]) => a.localeCompare(b));
      fill($("language"), own);
      const browsers = navigator.languages.map((tag) => tag.split("-")[0]);
      const wanted = browsers.find((code) => model?.languages.includes(code));
      if (wanted) $("language").value = wanted;
      $("language").onchange();
    };
    $("language").onchange = () => choose($("model").value, $("language").value);
    $("model").onchange();
  }

  showMicrophones(devices) {
    fillDevices($("microphone"), devices);
    $("microphones").hidden = devices.length < 2;
  }

  get microphone() {
    return $("microphone").value;
  }

  // the text

  beginTake(name) {
    this.#take = new Take(name);
    this.#take.element.lang = $("language").value;
    this.#takes.push(this.#take);
    $("words").append(this.#take.element);
    $("latency").hidden = true;
    this.#tidy();
  }

  tell(confirmed, unsure) {
    const words = $("words");
    const isAtEnd = words.scrollHeight - words.scrollTop - words.clientHeight < 48;
    this.#take.tell(confirmed, unsure);
    this.#tidy();
    if (isAtEnd) words.scrollTop = words.scrollHeight;
  }

  /** What may still have changed will not any more. */
  endTake() {
    this.#take?.tell(this.#take.text, "");
    if (this.#take?.isEmpty) {
      this.#take.element.remove();
      this.#takes.pop();
    }
    this.#take = null;
    this.#tidy();
  }

  get text() {
    return this.#takes.map((take) => take.text.trim()).filter(Boolean).join("\n\n");
  }

  clear() {
    this.#takes = [];
    $("words").replaceChildren();
    $("latency").hidden = true;
    this.#tidy();
  }

  // the bottom

  get state() {
    return this.#status.state;
  }

  set state(state) {
    this.#status.state = state;
    const isBusy = BUSY.has(state);
    const isOff = state === "loading" || state === "off";
    document.body.classList.toggle("is-live", this.#status.isLive);
    document.body.classList.toggle("is-busy", isBusy);
    for (const id of ["model", "language", "choose"]) $(id).disabled = isOff || isBusy;
    $("microphone").disabled = isBusy;
    $("speak").disabled = isOff || state === "finishing";
    $("speak").ariaLabel = isBusy ? "Stop" : "Speak";
    $("speak").title = isBusy ? "Stop (space bar)" : "Speak (space bar)";
    if (!isBusy) {
      this.#levels.clear();
      $("speak").style.removeProperty("--level");
    }
    this.#tidy();
  }

  set level(level) {
    this.#levels.add(level);
    $("speak").style.setProperty("--level", level.toFixed(2));
  }

  /** The server's answer to what was said just now, and the usual. */
  showLatency(latestMs, { p50Ms, p95Ms }) {
    this.#showFact("text after", latestMs, `half within ${seconds(p50Ms)}, 95 % within ${seconds(p95Ms)}`);
  }

  showFinalLatency(finalMs, typical) {
    const rest = typical && `along the way half within ${seconds(typical.p50Ms)}, 95 % within ${seconds(typical.p95Ms)}`;
    this.#showFact("final after", finalMs, rest);
  }

  #showFact(before, timeMs, rest) {
    const figure = document.createElement("b");
    figure.textContent = seconds(timeMs);
    const usual = document.createElement("span");
    usual.className = "usual";
    usual.textContent = rest ? ` · ${rest}` : "";
    $("latency").replaceChildren(`${before} `, figure, usual);
    $("latency").hidden = false;
  }

  #tidy() {
    const hasTakes = this.#takes.length > 0;
    $("words").hidden = !hasTakes;
    $("invitation").hidden = hasTakes;
    $("copy").disabled = !this.text;
    $("clear").disabled = !hasTakes || BUSY.has(this.state);
  }
}
