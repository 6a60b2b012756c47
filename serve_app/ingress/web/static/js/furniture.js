// What both pages have: the door, the notice, the state with its clock, the list of microphones.

export const $ = (id) => document.getElementById(id);

export function say(words) {
  $("notice-text").textContent = words;
  $("notice").hidden = false;
}

export function unsay() {
  $("notice").hidden = true;
}

export function askForKey(use) {
  $("door").hidden = false;
  $("door").onsubmit = (event) => {
    event.preventDefault();
    $("door").hidden = true;
    use($("key").value.trim());
  };
  $("key").select();
  $("key").focus();
}

export function flash(id, word) {
  const label = $(id).querySelector("span");
  const usual = (label.dataset.usual ??= label.textContent);
  label.textContent = word;
  setTimeout(() => (label.textContent = usual), 1500);
}

export function fill(select, options) {
  select.replaceChildren(...options.map(([value, label]) => new Option(label, value)));
}

/** Show a list of devices by name; who was chosen stays so. */
export function fillDevices(select, devices) {
  const chosen = select.value;
  fill(select, devices.map(({ deviceId, label }) => [deviceId, label]));
  if (devices.some(({ deviceId }) => deviceId === chosen)) select.value = chosen;
}

/** Call what stands under a key, unless it is for what has the focus. */
export function onKeys(acts) {
  addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (target.closest("input, select") && key !== "Escape") return;
    if (target.closest("button, a, summary") && key === " ") return; // it presses that
    const act = acts[key] ?? acts[key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  });
}

export function seconds(timeMs) {
  return timeMs < 1000 ? `${Math.round(timeMs / 10) * 10} ms` : `${(timeMs / 1000).toFixed(1)} s`;
}

export function clock(passedS) {
  const whole = Math.floor(passedS);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** The words for a state, and, in those that are live, for how long. */
export class Status {
  #words;
  #live;
  #state = "loading";
  #beganAtMs = 0;

  /** Names of states and their words; those that have a clock; those that do not start it anew. */
  constructor(words, live) {
    this.#words = words;
    this.#live = new Set(live);
    setInterval(() => this.#tell(), 250);
    $("notice-close").onclick = unsay;
  }

  get state() {
    return this.#state;
  }

  get isLive() {
    return this.#live.has(this.#state);
  }

  set state(state) {
    const wasLive = this.isLive || this.#state === "away";
    this.#state = state;
    if (this.isLive && !wasLive) this.#beganAtMs = performance.now();
    this.#tell();
  }

  #tell() {
    const passedS = (performance.now() - this.#beganAtMs) / 1000;
    const words = this.#words[this.#state] + (this.isLive ? ` · ${clock(passedS)}` : "");
    // Only a change is read aloud, and a clock is none.
    $("state").ariaLive = this.isLive ? "off" : "polite";
    if ($("state").textContent !== words) $("state").textContent = words;
  }
}
