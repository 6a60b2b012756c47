// Text and states in; the page, out. The only file that touches the document.

const $ = (id) => document.getElementById(id);

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
const LIVE = new Set(["live", "playing"]);
const BUSY = new Set(["opening", "live", "playing", "away", "finishing"]);
const NUM_BARS = 160;

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
  #levels = new Array(NUM_BARS).fill(0);
  #state = "loading";
  #beganAtMs = 0;
  #frame = 0;

  constructor() {
    setInterval(() => this.#tellState(), 250);
    new ResizeObserver(() => this.#draw()).observe($("levels"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
    $("notice-close").onclick = () => this.unsay();
  }

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
    const chosen = $("microphone").value;
    fill($("microphone"), devices.map(({ deviceId, label }) => [deviceId, label]));
    if (devices.some(({ deviceId }) => deviceId === chosen)) $("microphone").value = chosen;
    $("microphones").hidden = devices.length < 2;
  }

  get microphone() {
    return $("microphone").value;
  }

  askForKey(use) {
    $("door").hidden = false;
    $("door").onsubmit = (event) => {
      event.preventDefault();
      $("door").hidden = true;
      use($("key").value.trim());
    };
    $("key").select();
    $("key").focus();
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
    return this.#state;
  }

  set state(state) {
    if (LIVE.has(state) && !LIVE.has(this.#state) && this.#state !== "away") this.#beganAtMs = performance.now();
    this.#state = state;
    const isBusy = BUSY.has(state);
    const isOff = state === "loading" || state === "off";
    document.body.classList.toggle("is-live", LIVE.has(state));
    document.body.classList.toggle("is-busy", isBusy);
    for (const id of ["model", "language", "choose"]) $(id).disabled = isOff || isBusy;
    $("microphone").disabled = isBusy;
    $("speak").disabled = isOff || state === "finishing";
    $("speak").ariaLabel = isBusy ? "Stop" : "Speak";
    $("speak").title = isBusy ? "Stop (space bar)" : "Speak (space bar)";
    if (!isBusy) this.#levels.fill(0);
    this.#tellState();
    this.#tidy();
    this.#draw();
  }

  set level(level) {
    this.#levels.push(level);
    this.#levels.shift();
    $("speak").style.setProperty("--level", level.toFixed(2));
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  /** The server's answer to what was said just now, and the usual. */
  showLatency(latestMs, { p50Ms, p95Ms }) {
    this.#showFact("text after", latestMs, `half within ${seconds(p50Ms)}, 95 % within ${seconds(p95Ms)}`);
  }

  showFinalLatency(finalMs, typical) {
    const rest = typical && `along the way half within ${seconds(typical.p50Ms)}, 95 % within ${seconds(typical.p95Ms)}`;
    this.#showFact("final after", finalMs, rest);
  }

  say(words) {
    $("notice-text").textContent = words;
    $("notice").hidden = false;
  }

  unsay() {
    $("notice").hidden = true;
  }

  flash(id, word) {
    const label = $(id).querySelector("span");
    const usual = (label.dataset.usual ??= label.textContent);
    label.textContent = word;
    setTimeout(() => (label.textContent = usual), 1500);
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

  #tellState() {
    const passedS = Math.floor((performance.now() - this.#beganAtMs) / 1000);
    const clock = `${Math.floor(passedS / 60)}:${String(passedS % 60).padStart(2, "0")}`;
    const words = STATES[this.#state] + (LIVE.has(this.#state) ? ` · ${clock}` : "");
    // Only a change is read aloud, and a clock is none.
    $("state").ariaLive = LIVE.has(this.#state) ? "off" : "polite";
    if ($("state").textContent !== words) $("state").textContent = words;
  }

  #tidy() {
    const hasTakes = this.#takes.length > 0;
    $("words").hidden = !hasTakes;
    $("invitation").hidden = hasTakes;
    $("copy").disabled = !this.text;
    $("clear").disabled = !hasTakes || BUSY.has(this.#state);
  }

  #draw() {
    this.#frame = 0;
    const canvas = $("levels");
    const scale = devicePixelRatio || 1;
    const width = (canvas.width = canvas.clientWidth * scale);
    const height = (canvas.height = canvas.clientHeight * scale);
    const pen = canvas.getContext("2d");
    const style = getComputedStyle(document.documentElement);
    const thick = 3 * scale;
    const num = Math.min(NUM_BARS, Math.floor(width / (2 * thick)));
    const step = width / num;
    for (let bar = 0; bar < num; bar++) {
      const level = this.#levels[NUM_BARS - num + bar];
      const tall = Math.max(thick, level * height);
      pen.fillStyle = style.getPropertyValue(level > 0.02 ? "--accent" : "--line");
      pen.globalAlpha = level > 0.02 ? 0.3 + (0.7 * bar) / num : 1;
      pen.beginPath();
      pen.roundRect(bar * step + (step - thick) / 2, (height - tall) / 2, thick, tall, thick / 2);
      pen.fill();
    }
  }
}

function fill(select, options) {
  select.replaceChildren(...options.map(([value, label]) => new Option(label, value)));
}

function seconds(timeMs) {
  return timeMs < 1000 ? `${Math.round(timeMs / 10) * 10} ms` : `${(timeMs / 1000).toFixed(1)} s`;
}
