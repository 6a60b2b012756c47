/** A microphone, or any other input, in; blocks of PCM16 at 16 kHz, out. For browsers. */

import code from "virtual:worklet";
import { ChorusError } from "../errors.js";
import { Channel } from "../unread.js";
import type { Source } from "./source.js";
import type { Block } from "./worklet.js";

export interface RecorderOptions {
  /** Of `navigator.mediaDevices.enumerateDevices`; the browser's choice if not given. */
  deviceId?: string | undefined;
  /**
   * Takes the player's sound out of what the microphone hears, as well as the browser can. False if
   * not given: it is made for ears, and costs words.
   */
  echoCancellation?: boolean | undefined;
  /**
   * Where `chorus-speech/worklet.js` is served. If not given the page loads it from a `blob:`
   * address, which a Content-Security-Policy may forbid.
   */
  workletUrl?: string | undefined;
}

/** A minute of blocks of 40 ms that nobody takes. */
const MAX_UNREAD = 1500;

/**
 * What a microphone hears from `open` on; for one reader.
 *
 *     const recorder = await Recorder.open();
 *     for await (const pcm of recorder) await stream.send(pcm);
 */
export class Recorder implements Source {
  readonly #context: AudioContext;
  readonly #media: MediaStream;
  readonly #node: AudioWorkletNode;
  readonly #blocks = new Channel<Int16Array>(MAX_UNREAD);
  #isStopped = false;

  private constructor(context: AudioContext, media: MediaStream) {
    this.#context = context;
    this.#media = media;
    this.#node = new AudioWorkletNode(context, "chorus-blocks", { numberOfOutputs: 0 });
    this.#node.port.onmessage = ({ data }: MessageEvent<Block>) => this.#take(data);
    context.createMediaStreamSource(media).connect(this.#node);
    // A device that is unplugged ends the recording as `stop` does.
    for (const track of media.getTracks()) track.onended = () => this.stop();
  }

  /**
   * Ask for the microphone, and begin.
   * @throws {ChorusError} `microphone_denied`, `microphone_busy` or `no_microphone`.
   */
  static async open(options: RecorderOptions = {}): Promise<Recorder> {
    const media = await opened(options);
    const context = new AudioContext();
    try {
      await context.audioWorklet.addModule(options.workletUrl ?? inPage());
      await context.resume();
      return new Recorder(context, media);
    } catch (error) {
      for (const track of media.getTracks()) track.stop();
      await context.close();
      throw error;
    }
  }

  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#node.port.postMessage("finish");
  }

  [Symbol.asyncIterator](): AsyncIterator<Int16Array, void, void> {
    return this.#blocks[Symbol.asyncIterator]();
  }

  #take({ pcm, isLast }: Block): void {
    if (pcm.length > 0) this.#blocks.put(pcm);
    if (!isLast) return;
    this.#blocks.end();
    for (const track of this.#media.getTracks()) track.stop();
    void this.#context.close();
  }
}

let blobUrl: string | undefined;

function inPage(): string {
  blobUrl ??= URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  return blobUrl;
}

async function opened({
  deviceId,
  echoCancellation = true,
}: RecorderOptions): Promise<MediaStream> {
  // Browsers give the microphone to pages that came over https or from the machine itself.
  if (!navigator.mediaDevices) {
    throw new ChorusError("microphone_denied", "only pages that came over https may listen");
  }
  const audio = {
    echoCancellation,
    noiseSuppression: false, // made for ears, it costs words
    autoGainControl: true,
    channelCount: { ideal: 1 },
    ...(deviceId === undefined ? {} : { deviceId: { exact: deviceId } }),
  };
  try {
    return await navigator.mediaDevices.getUserMedia({ audio });
  } catch (error) {
    throw soundError(error);
  }
}

function soundError(error: unknown): ChorusError {
  const name = error instanceof Error || error instanceof DOMException ? error.name : "";
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      return new ChorusError("microphone_denied", "the microphone was not allowed", {
        cause: error,
      });
    case "NotReadableError":
    case "AbortError":
      return new ChorusError("microphone_busy", "another program has the microphone", {
        cause: error,
      });
    default:
      return new ChorusError("no_microphone", "there is no such microphone", { cause: error });
  }
}
