/** What is said, as text and sound of another language, utterance by utterance. */

import { useState } from "react";
import { guarded, type Speaker } from "../audio/guard.js";
import { Player } from "../audio/player.js";
import { Recorder, type RecorderOptions } from "../audio/recorder.js";
import type { Source } from "../audio/source.js";
import { Turn } from "../audio/turn.js";
import { Conversation, type ConversationOptions } from "../translation/conversation.js";
import type { ConversationEvent } from "../translation/events.js";
import { type Run, useRun } from "./runs.js";

/** What plays the sound; a `Player` is one. */
export interface Voice extends Speaker {
  play(wav: ArrayBuffer): Promise<void>;
  close(): Promise<void>;
}

export interface TranslationOptions extends ConversationOptions {
  recorder?: RecorderOptions | undefined;
  /** In place of the microphone. */
  source?: (() => Promise<Source>) | undefined;
  /** In place of the loudspeaker. */
  player?: (() => Voice) | undefined;
  /** What is heard while the translation plays counts as silence; true if not given. */
  halfDuplex?: boolean | undefined;
}

export interface Utterance {
  readonly id: number;
  readonly source: string | null;
  readonly target: string | null;
  readonly text: string;
  readonly sourceText: string | null;
  /** More of it may come. */
  readonly isFinal: boolean;
  /** From the end of speech to the text, and to the first sound. */
  readonly textMs: number | null;
  readonly soundMs: number | null;
  /** Why it could not be translated. */
  readonly problem: string | null;
}

export interface Translation extends Run {
  /** In order; those in which no word was spoken are left out. */
  readonly utterances: readonly Utterance[];
  /** Somebody is speaking. */
  readonly isSpeechHeard: boolean;
}

/** A translation of what the microphone hears, spoken aloud, from `start()` to `stop()`. */
export function useTranslation(options: TranslationOptions): Translation {
  const [utterances, setUtterances] = useState<readonly Utterance[]>([]);
  const [isSpeechHeard, setSpeechHeard] = useState(false);
  const { source, recorder, player, halfDuplex = true, onAway: tellAway, ...talk } = options;
  let voice: Voice | undefined;
  const speaker: Speaker = { isSpeaking: (tailMs) => voice?.isSpeaking(tailMs) ?? false };
  const listen = async () => {
    const heard = await (source ? source() : Recorder.open(recorder));
    return halfDuplex ? guarded(heard, speaker) : heard;
  };
  const run = useRun(listen, async (onAway) => {
    setUtterances([]);
    const both = (isAway: boolean) => {
      onAway(isAway);
      tellAway?.(isAway);
    };
    const sink = await Conversation.open({ ...talk, onAway: both });
    voice = player ? player() : new Player();
    const read = async (conversation: Conversation) => {
      try {
        await follow(conversation, voice as Voice, (event) => {
          if (event.type === "speech_started") setSpeechHeard(true);
          if (event.type === "speech_stopped") setSpeechHeard(false);
          setUtterances((before) => withEvent(before, event));
        });
      } finally {
        setSpeechHeard(false);
        await voice?.close();
      }
    };
    return { sink, read };
  });
  return { ...run, utterances, isSpeechHeard };
}

/** Tell all events, and let what is spoken be heard to its end. */
async function follow(
  conversation: Conversation,
  voice: Voice,
  tell: (event: ConversationEvent) => void,
): Promise<void> {
  const heard: Promise<void>[] = [];
  const turn = new Turn();
  for await (const event of conversation) {
    if (event.type === "speech_started") turn.speechStarted();
    if (event.type === "speech_stopped") turn.speechStopped();
    if (event.type === "audio") {
      const playing = turn.quiet.then(() => voice.play(event.wav));
      playing.catch(() => {}); // thrown below
      heard.push(playing);
    }
    tell(event);
  }
  await Promise.all(heard);
}

/** What is known of the utterances once `event` is. */
export function withEvent(
  before: readonly Utterance[],
  event: ConversationEvent,
): readonly Utterance[] {
  switch (event.type) {
    case "translation": {
      if (event.text === "" && event.isFinal)
        return before.filter(({ id }) => id !== event.utterance);
      const { source, target, text, sourceText, isFinal, latencyMs: textMs } = event;
      return changed(before, event.utterance, {
        source,
        target,
        text,
        sourceText,
        isFinal,
        textMs,
      });
    }
    case "audio":
      return event.part === 0
        ? changed(before, event.utterance, { soundMs: event.latencyMs })
        : before;
    case "failed":
      return changed(before, event.utterance, { problem: event.error.message, isFinal: true });
    default:
      return before;
  }
}

function changed(
  before: readonly Utterance[],
  id: number,
  change: Partial<Utterance>,
): readonly Utterance[] {
  if (!before.some((utterance) => utterance.id === id)) {
    return [...before, { ...EMPTY, id, ...change }];
  }
  return before.map((utterance) => (utterance.id === id ? { ...utterance, ...change } : utterance));
}

const EMPTY: Omit<Utterance, "id"> = {
  source: null,
  target: null,
  text: "",
  sourceText: null,
  isFinal: false,
  textMs: null,
  soundMs: null,
  problem: null,
};
