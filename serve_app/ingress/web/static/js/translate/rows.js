// Utterances in, as they are told; rows with both texts side by side, and the whole as a file, out.

import { seconds } from "../furniture.js";

/** One utterance: what was said on the side of its language, what it became on the other. */
class Row {
  #spoken = side("spoken");
  #written = side("written");
  #figures = document.createElement("p");
  #latencies = { text: null, voice: null };
  at;
  said = null; // {src, tgt, text, sourceText} when it is final

  constructor(at, languages) {
    this.at = at;
    this.element = document.createElement("article");
    this.element.className = "row is-open";
    this.#figures.className = "figures";
    this.element.append(this.#spoken, this.#written, this.#figures);
    // Who speaks is known for sure only where one of the two does.
    if (languages.isBoth) this.element.classList.add("is-either");
    this.#tellFigures();
  }

  stopped() {
    this.element.classList.add("is-thinking");
  }

  tell({ src, tgt, text, sourceText, isFinal }, languages) {
    this.element.classList.remove("is-either");
    this.element.classList.toggle("is-open", !isFinal);
    this.element.classList.toggle("is-turned", src === languages.to);
    put(this.#spoken, sourceText ?? "", src);
    put(this.#written, text, tgt);
    if (isFinal) this.said = { src, tgt, text, sourceText: sourceText ?? "" };
  }

  fail(words) {
    this.element.classList.remove("is-open", "is-either");
    this.element.classList.add("has-failed");
    this.#written.textContent = `Not translated: ${words}`;
  }

  set isSounding(isSounding) {
    this.element.classList.toggle("is-sounding", isSounding);
  }

  set latencies(latencies) {
    Object.assign(this.#latencies, latencies);
    this.#tellFigures();
  }

  #tellFigures() {
    const { text, voice } = this.#latencies;
    const figures = [timeOf(this.at)];
    if (text !== null) figures.push(`text after ${seconds(text)}`);
    if (voice !== null) figures.push(`voice after ${seconds(voice)}`);
    this.#figures.textContent = figures.join(" · ");
  }
}

export class Rows {
  #place;
  #rows = new Map();
  #languages = { from: "", to: "", isBoth: false };

  constructor(place) {
    this.#place = place;
  }

  get size() {
    return this.#rows.size;
  }

  /** From here on they are of this pair; `names` stand above. */
  beginPair(languages, names) {
    const { from, to, isBoth } = this.#languages;
    this.#languages = languages;
    const isSame = languages.from === from && languages.to === to && languages.isBoth === isBoth;
    if (isSame && this.size > 0) return;
    const heads = document.createElement("div");
    heads.className = languages.isBoth ? "heads is-both" : "heads";
    for (const name of names) heads.append(Object.assign(document.createElement("h2"), { textContent: name }));
    if (this.size === 0) this.#place.replaceChildren(heads);
    else this.#place.append(heads);
  }

  get(id) {
    return this.#rows.get(id);
  }

  begin(id, at) {
    const row = new Row(at, this.#languages);
    this.#rows.set(id, row);
    this.#keepAtEnd(() => this.#place.append(row.element));
    return row;
  }

  tell(id, at, event) {
    const row = this.get(id) ?? this.begin(id, at);
    this.#keepAtEnd(() => row.tell(event, this.#languages));
    return row;
  }

  remove(id) {
    this.get(id)?.element.remove();
    this.#rows.delete(id);
  }

  /** Of which nothing final was told. */
  removeIfOpen(id) {
    if (this.get(id)?.element.classList.contains("is-open")) this.remove(id);
  }

  removeOpen() {
    for (const id of [...this.#rows.keys()]) this.removeIfOpen(id);
  }

  clear() {
    this.#rows.clear();
    this.#place.replaceChildren();
  }

  /** All that was said, for people to read. */
  text(names) {
    const name = (code) => names[code] ?? code;
    const lines = [];
    for (const { said, at } of this.#rows.values()) {
      if (!said) continue;
      lines.push(`[${timeOf(at)}]`);
      if (said.sourceText) lines.push(`${name(said.src)}: ${said.sourceText}`);
      lines.push(`${name(said.tgt)}: ${said.text}`, "");
    }
    return lines.join("\n");
  }

  #keepAtEnd(change) {
    const place = this.#place;
    const isAtEnd = place.scrollHeight - place.scrollTop - place.clientHeight < 64;
    change();
    if (isAtEnd) place.scrollTop = place.scrollHeight;
  }
}

function side(name) {
  const element = document.createElement("p");
  element.className = `side ${name}`;
  element.dir = "auto";
  return element;
}

function timeOf(at) {
  return at.toLocaleTimeString([], { hour: "numeric", minute: "2-digit", second: "2-digit" });
}

function put(element, text, language) {
  element.lang = language;
  element.textContent = text;
}
