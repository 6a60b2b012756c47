// One conversation: the sound of a microphone in; its events on the page and in the loudspeaker out.

import { say, unsay } from "../furniture.js";
import { levelOf } from "../recorder.js";
import { WORDS_OF_TALK, wordsFor } from "../words.js";
import { Conversation } from "./conversation.js";

const TAIL_S = 0.35; // of what is played: rooms and loudspeakers go on for a little
const SILENCE_S = 6; // of a device that has never given anything else

export class Talk {
  isStopped = false;

  #view;
  #player;
  #latencies;
  #isGuarded;
  #sound = null;
  #conversation = null;
  #beganAtMs = 0;
  #endedAtMs = new Map(); // id → when its speech ended, until its sound has begun
  #silentS = 0; // since the beginning; null when something was heard

  /** `isGuarded()`: whether the microphone is to rest while the page itself is heard. */
  constructor({ view, player, latencies, isGuarded }) {
    this.#view = view;
    this.#player = player;
    this.#latencies = latencies;
    this.#isGuarded = isGuarded;
    player.onbegin = (id) => this.#soundBegins(id);
    player.onend = (id) => this.#withRow(id, (row) => (row.isSounding = false));
  }

  /** Until all is told and heard. Rejects with what went wrong. */
  async run(openSound, asked, key) {
    const sound = (this.#sound = await openSound());
    if (this.isStopped) return sound.stop();
    const conversation = (this.#conversation = new Conversation(asked, key));
    conversation.onevent = (event) => this.#show(event);
    conversation.onaway = (isAway) => {
      if (!this.isStopped) this.#view.state = isAway ? "away" : "live";
    };
    sound.onblock = (pcm) => this.#hear(pcm);
    this.#beganAtMs = Date.now();
    // Sound before the server takes any is kept: who speaks at once loses nothing.
    await sound.start();
    conversation.opened.then(() => this.#view.state === "opening" && (this.#view.state = "live"), () => {});
    await Promise.race([sound.ended, conversation.finished]);
    if (sound.isLost) say(wordsFor({ kind: "device-lost" }, WORDS_OF_TALK));
    this.isStopped = true;
    this.#view.state = "finishing";
    this.#player.release();
    conversation.finish();
    await conversation.finished;
    await this.#player.idle();
  }

  /** No more is heard; what was is told to its end. */
  stop() {
    this.isStopped = true;
    this.#sound?.stop();
  }

  /** Silence, at once. */
  abandon() {
    this.stop();
    this.#conversation?.abandon();
    this.#player.stop();
  }

  #hear(pcm) {
    const rests = this.#isGuarded() && this.#player.isHeard(TAIL_S);
    const { state } = this.#view;
    if (state === "live" || state === "sounding") this.#view.state = rests ? "sounding" : "live";
    // What the page says itself must not be translated again: silence, so that time goes on.
    this.#conversation.send(rests ? new Int16Array(pcm.length) : pcm);
    this.#view.level = rests ? 0 : levelOf(pcm);
    this.#noteSilence(pcm);
  }

  #noteSilence(pcm) {
    if (this.#silentS === null) return;
    if (pcm.some((sample) => sample > 1 || sample < -1)) {
      if (this.#silentS > SILENCE_S) unsay();
      this.#silentS = null;
      return;
    }
    const wasShort = this.#silentS <= SILENCE_S;
    this.#silentS += 0.04;
    if (wasShort && this.#silentS > SILENCE_S) say(wordsFor({ kind: "only-silence" }, WORDS_OF_TALK));
  }

  #show(event) {
    const { rows } = this.#view;
    switch (event.type) {
      case "started":
        // Who speaks is not interrupted.
        if (this.#isGuarded()) this.#player.hold();
        rows.begin(event.id, this.#timeAt(event.startS));
        break;
      case "stopped":
        this.#player.release();
        this.#withRow(event.id, (row) => row.stopped());
        break;
      case "text":
        this.#showText(event);
        break;
      case "sound":
        this.#player.add(event.id, event.wav);
        break;
      case "failed":
        this.#player.release();
        this.#withRow(event.id, (row) => row.fail(event.message));
        break;
      case "dropped":
        this.#player.drop(event.id);
        this.#player.release();
        rows.remove(event.id);
        break;
      case "done":
        this.#player.release();
        rows.removeIfOpen(event.id);
        break;
    }
    this.#view.tidy();
  }

  #showText(event) {
    if (!event.text && !event.sourceText) return;
    const row = this.#view.rows.tell(event.id, this.#timeAt(event.startS), event);
    if (!event.isFinal) return;
    this.#view.announce(event);
    if (event.endedAtMs === null) return;
    this.#endedAtMs.set(event.id, event.endedAtMs);
    const textMs = performance.now() - event.endedAtMs;
    row.latencies = { text: textMs };
    this.#latencies.text.add(textMs);
    this.#view.showLatency(this.#latencies.text, null);
  }

  #soundBegins(id) {
    this.#withRow(id, (row) => {
      row.isSounding = true;
      const endedAtMs = this.#endedAtMs.get(id);
      if (endedAtMs === undefined) return;
      this.#endedAtMs.delete(id);
      const voiceMs = performance.now() - endedAtMs;
      row.latencies = { voice: voiceMs };
      this.#latencies.voice.add(voiceMs);
      this.#view.showLatency(this.#latencies.text, this.#latencies.voice);
    });
  }

  #withRow(id, act) {
    const row = this.#view.rows.get(id);
    if (row) act(row);
  }

  #timeAt(positionS) {
    return new Date(this.#beganAtMs + positionS * 1000);
  }
}
