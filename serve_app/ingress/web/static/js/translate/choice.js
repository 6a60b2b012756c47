// What the server translates and speaks aloud, and what the address asks for, in; the pair of
// languages that was chosen, out, and an address that asks for it again.

export class Choice {
  model;
  from = "";
  to = "";
  /** Either language may be spoken; the other is heard. */
  isBoth = false;
  /** Whether the address asks for something that is not there. */
  isAnother;

  #models;
  #voices;
  #chosenVoices = {}; // by language

  /** @throws where no pair can be had; `kind` says why. */
  constructor({ models, voices }, address) {
    if (models.length === 0) throw { kind: "no-models" };
    this.#voices = voices;
    this.#models = models.filter((model) => this.#sources(model).length > 0);
    if (this.#models.length === 0) throw { kind: "no-pairs" };
    const asked = new URLSearchParams(address);
    this.model = this.#models.find(({ id }) => id === asked.get("model")) ?? this.#models[0];
    this.choose(asked.get("from") ?? browsersLanguage(this.sources), asked.get("to"));
    this.setBoth(asked.has("both"));
    const chosen = { model: this.model.id, from: this.from, to: this.to };
    this.isAnother =
      Object.entries(chosen).some(([name, value]) => asked.has(name) && asked.get(name) !== value) ||
      asked.has("both") !== this.isBoth;
  }

  get models() {
    return this.#models;
  }

  /** The languages that may be spoken. */
  get sources() {
    return this.#sources(this.model);
  }

  /** The languages that `from` can be heard in. */
  get targets() {
    return this.#targets(this.model, this.from);
  }

  get canSwap() {
    return this.#targets(this.model, this.to).includes(this.from);
  }

  chooseModel(id) {
    this.model = this.#models.find((model) => model.id === id) ?? this.model;
    this.choose(this.from, this.to);
  }

  /** The pair, or what is nearest to it of those that there are. */
  choose(from, to) {
    this.from = this.sources.includes(from) ? from : this.sources[0];
    if (this.targets.includes(to)) this.to = to;
    else if (!this.targets.includes(this.to)) this.to = this.targets[0];
    this.setBoth(this.isBoth);
  }

  swap() {
    if (this.canSwap) this.choose(this.to, this.from);
  }

  /** Who can speak a language, the usual one first. */
  voicesOf(language) {
    return this.#voices[language] ?? [];
  }

  voiceOf(language) {
    return this.#chosenVoices[language] ?? this.voicesOf(language)[0];
  }

  chooseVoice(language, voice) {
    this.#chosenVoices[language] = voice;
  }

  setBoth(isBoth) {
    this.isBoth = isBoth && this.canSwap;
  }

  /** The query of a page that begins with this choice. */
  get address() {
    const query = new URLSearchParams({ mode: "translate", from: this.from, to: this.to });
    if (this.isBoth) query.set("both", "");
    if (this.model !== this.#models[0]) query.set("model", this.model.id);
    return `?${query}`.replace("both=", "both");
  }

  /** The beginning of a conversation's first message. */
  get asked() {
    const mode = this.isBoth ? "auto" : `${this.from}->${this.to}`;
    const languages = this.isBoth ? { languages: [this.from, this.to] } : {};
    const spoken = this.isBoth ? [this.from, this.to] : [this.to];
    const voice = Object.fromEntries(spoken.map((language) => [language, this.voiceOf(language)]));
    return { mode, ...languages, model: this.model.id, voice };
  }

  #sources(model) {
    return Object.keys(model.translations).filter((from) => this.#targets(model, from).length > 0);
  }

  #targets(model, from) {
    return (model.translations[from] ?? []).filter((to) => to !== from && this.voicesOf(to).length > 0);
  }
}

function browsersLanguage(languages) {
  return navigator.languages.map((tag) => tag.split("-")[0]).find((code) => languages.includes(code));
}
