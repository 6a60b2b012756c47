// A microphone or a recording in; blocks of PCM16 at 16 kHz out, as `onblock(Int16Array)`.

export const RATE_HZ = 16000;
const BLOCK_SAMPLES = 1600;
const WORKLET = new URL("worklet.js", import.meta.url);

/** What went wrong before there was sound; `kind` says what, `view` says it in words. */
export class SoundError extends Error {
  constructor(kind, cause) {
    super(kind, { cause });
    this.kind = kind;
  }
}

/** Sound while it happens, from `start` until its source ends or `stop` is called. */
class Recorder {
  onblock = () => {};
  #ended = Promise.withResolvers();
  #context;
  #blocks;

  /** Settles when the last block has been handed over. */
  get ended() {
    return this.#ended.promise;
  }

  async listen(context, connect) {
    this.#context = context;
    try {
      await context.audioWorklet.addModule(WORKLET);
    } catch (error) {
      throw new SoundError("away", error);
    }
    this.#blocks = new AudioWorkletNode(context, "blocks");
    this.#blocks.port.onmessage = ({ data }) => {
      if (data.pcm.length) this.onblock(data.pcm);
      if (data.isLast) this.#close();
    };
    // Silence goes there; a node that leads nowhere need not be run.
    this.#blocks.connect(context.destination);
    connect(this.#blocks);
    await context.resume();
  }

  stop() {
    if (this.#blocks) this.#blocks.port.postMessage("finish");
    else this.#close();
    return this.ended;
  }

  release() {}

  #close() {
    this.release();
    if (this.#context?.state !== "closed") this.#context?.close();
    this.#ended.resolve();
  }
}

export class Microphone extends Recorder {
  /** Whether it ended by itself. */
  isLost = false;
  #stream;

  /** @throws {SoundError} */
  static async open(deviceId) {
    if (!navigator.mediaDevices?.getUserMedia) throw new SoundError("insecure-page");
    const microphone = new Microphone();
    try {
      microphone.#stream = await navigator.mediaDevices.getUserMedia({
        audio: {
          deviceId: deviceId ? { exact: deviceId } : undefined,
          // Made for ears, they cost words.
          echoCancellation: false,
          noiseSuppression: false,
          autoGainControl: true,
        },
      });
    } catch (error) {
      throw new SoundError(kindOf(error), error);
    }
    return microphone;
  }

  async start() {
    const context = new AudioContext({ latencyHint: "interactive" });
    await this.listen(context, (blocks) => {
      context.createMediaStreamSource(this.#stream).connect(blocks);
    });
    // Pulled out, or taken back by the browser: what was heard still counts.
    for (const track of this.#stream.getTracks()) {
      track.onended = () => {
        this.isLost = true;
        this.stop();
      };
    }
  }

  release() {
    for (const track of this.#stream.getTracks()) track.stop();
  }
}

/** A recording that is played aloud, and heard while it plays. */
export class Playback extends Recorder {
  #buffer;

  constructor(buffer) {
    super();
    this.#buffer = buffer;
  }

  async start() {
    const context = new AudioContext({ sampleRate: RATE_HZ });
    await this.listen(context, (blocks) => {
      const source = new AudioBufferSourceNode(context, { buffer: this.#buffer });
      source.connect(blocks);
      source.connect(context.destination);
      source.onended = () => this.stop();
      source.start();
    });
  }
}

/** A recording handed over as fast as `ready` lets it go. */
export class Rush {
  onblock = () => {};
  #buffer;
  #ready;
  #isStopped = false;
  #ended = Promise.withResolvers();

  constructor(buffer, ready) {
    this.#buffer = buffer;
    this.#ready = ready;
  }

  get ended() {
    return this.#ended.promise;
  }

  async start() {
    this.#run().then(this.#ended.resolve, this.#ended.reject);
  }

  async #run() {
    const channels = Array.from({ length: this.#buffer.numberOfChannels }, (_, index) =>
      this.#buffer.getChannelData(index),
    );
    for (let first = 0; first < this.#buffer.length && !this.#isStopped; first += BLOCK_SAMPLES) {
      await this.#ready();
      this.onblock(pcmOf(channels, first, Math.min(first + BLOCK_SAMPLES, this.#buffer.length)));
    }
  }

  stop() {
    this.#isStopped = true;
    return this.ended;
  }
}

/**
 * The sound in a file, at 16 kHz.
 * @throws {SoundError}
 */
export async function soundIn(file) {
  try {
    const context = new OfflineAudioContext(1, 1, RATE_HZ);
    return await context.decodeAudioData(await file.arrayBuffer());
  } catch (error) {
    throw new SoundError("no-sound", error);
  }
}

/** Microphones by name; nameless before the first was allowed, so none are told then. */
export function microphones() {
  return devices("audioinput");
}

/** Where sound can be played, by name; none where the browser lets nobody choose. */
export async function speakers() {
  return "setSinkId" in AudioContext.prototype ? devices("audiooutput") : [];
}

async function devices(kind) {
  const all = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return all.filter((device) => device.kind === kind && device.label && device.deviceId);
}

/** How loud a block is to the eye: 0 to 1, over 50 dB. */
export function levelOf(pcm) {
  let energy = 0;
  for (const sample of pcm) energy += sample * sample;
  const decibels = 10 * Math.log10(energy / pcm.length / 32768 ** 2 + 1e-10);
  return Math.max(0, Math.min(1, (decibels + 55) / 50));
}

function pcmOf(channels, first, end) {
  return Int16Array.from({ length: end - first }, (_, index) => {
    let sum = 0;
    for (const channel of channels) sum += channel[first + index];
    return pcm16(sum / channels.length);
  });
}

/** Chromium has -1 for -32768 and 1 for 32767: so what was PCM16 is so again, to the bit. */
function pcm16(sample) {
  return Math.round(Math.max(-1, Math.min(1, sample)) * (sample < 0 ? 32768 : 32767));
}

function kindOf(error) {
  switch (error.name) {
    case "NotAllowedError":
    case "SecurityError":
      return "not-allowed";
    case "NotFoundError":
    case "OverconstrainedError":
      return "no-microphone";
    case "NotReadableError":
    case "AbortError":
      return "microphone-busy";
    default:
      return "no-microphone";
  }
}
