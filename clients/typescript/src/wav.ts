/** A WAV file, in; its samples, mono, out. */

export interface Wav {
  readonly sampleRateHz: number;
  readonly pcm: Int16Array<ArrayBuffer>;
}

const PCM = 1;

/**
 * Samples of a WAV of 16-bit PCM; more channels than one are mixed.
 * @throws {TypeError} it is none.
 */
export function readWav(bytes: ArrayBuffer | Uint8Array): Wav {
  // Not `instanceof`: bytes may come from another realm, as a frame's or a test's do.
  const view = ArrayBuffer.isView(bytes)
    ? new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new DataView(bytes);
  if (view.byteLength < 12 || nameAt(view, 0) !== "RIFF" || nameAt(view, 8) !== "WAVE") {
    throw new TypeError("this is no WAV");
  }
  let format = { kind: 0, numChannels: 0, sampleRateHz: 0, numBits: 0 };
  for (let at = 12; at + 8 <= view.byteLength; ) {
    const size = view.getUint32(at + 4, true);
    const body = at + 8;
    if (nameAt(view, at) === "fmt " && body + 16 <= view.byteLength) {
      format = {
        kind: view.getUint16(body, true),
        numChannels: view.getUint16(body + 2, true),
        sampleRateHz: view.getUint32(body + 4, true),
        numBits: view.getUint16(body + 14, true),
      };
    } else if (nameAt(view, at) === "data") {
      const { kind, numBits, numChannels, sampleRateHz } = format;
      if (kind !== PCM || numBits !== 16 || numChannels === 0) {
        throw new TypeError("this WAV holds no 16-bit PCM");
      }
      // A file that is cut short, or was written while its length was not known, ends where it ends.
      const end = Math.min(body + size, view.byteLength);
      return { sampleRateHz, pcm: mixed(view, body, end, numChannels) };
    }
    at = body + size + (size % 2);
  }
  throw new TypeError("this WAV holds no sound");
}

function nameAt(view: DataView, at: number): string {
  return String.fromCharCode(...[0, 1, 2, 3].map((index) => view.getUint8(at + index)));
}

function mixed(
  view: DataView,
  from: number,
  to: number,
  numChannels: number,
): Int16Array<ArrayBuffer> {
  const pcm = new Int16Array(Math.floor((to - from) / (2 * numChannels)));
  for (let index = 0; index < pcm.length; index++) {
    let sum = 0;
    for (let channel = 0; channel < numChannels; channel++) {
      sum += view.getInt16(from + 2 * (index * numChannels + channel), true);
    }
    pcm[index] = Math.round(sum / numChannels);
  }
  return pcm;
}
