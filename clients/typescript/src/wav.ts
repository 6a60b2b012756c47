/** A WAV file, in; its samples, mono, out. */

export interface Wav {
  readonly sampleRateHz: number;
  readonly pcm: Int16Array<ArrayBuffer>;
}

/** RIFF's numbers of what is in a file: how wide a sample is, and how it is read. */
const KINDS = new Map<number, Kind>([
  [1, { numBits: 16, sampleAt: (view, at) => view.getInt16(at, true) }],
  [6, { numBits: 8, sampleAt: (view, at) => ofALaw(view.getUint8(at)) }],
  [7, { numBits: 8, sampleAt: (view, at) => ofMuLaw(view.getUint8(at)) }],
]);

interface Kind {
  readonly numBits: number;
  readonly sampleAt: (view: DataView, at: number) => number;
}

/**
 * Samples of a WAV of 16-bit PCM or G.711 (µ-law, A-law); more channels than one are mixed.
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
  let format = { tag: 0, numChannels: 0, sampleRateHz: 0, numBits: 0 };
  for (let at = 12; at + 8 <= view.byteLength; ) {
    const size = view.getUint32(at + 4, true);
    const body = at + 8;
    if (nameAt(view, at) === "fmt " && body + 16 <= view.byteLength) {
      format = {
        tag: view.getUint16(body, true),
        numChannels: view.getUint16(body + 2, true),
        sampleRateHz: view.getUint32(body + 4, true),
        numBits: view.getUint16(body + 14, true),
      };
    } else if (nameAt(view, at) === "data") {
      const { tag, numBits, numChannels, sampleRateHz } = format;
      const kind = KINDS.get(tag);
      if (kind?.numBits !== numBits || numChannels === 0) {
        throw new TypeError("this WAV holds neither 16-bit PCM nor G.711");
      }
      // A file that is cut short, or was written while its length was not known, ends where it ends.
      const end = Math.min(body + size, view.byteLength);
      return { sampleRateHz, pcm: mixed(view, body, end, numChannels, kind) };
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
  { numBits, sampleAt }: Kind,
): Int16Array<ArrayBuffer> {
  const numBytes = numBits / 8;
  const pcm = new Int16Array(Math.floor((to - from) / (numBytes * numChannels)));
  for (let index = 0; index < pcm.length; index++) {
    let sum = 0;
    for (let channel = 0; channel < numChannels; channel++) {
      sum += sampleAt(view, from + numBytes * (index * numChannels + channel));
    }
    pcm[index] = Math.round(sum / numChannels);
  }
  return pcm;
}

/** ITU-T G.711, tables 2: its sign, a power of two and four bits of what lies between two powers. */
function ofMuLaw(code: number): number {
  const value = ~code & 0xff;
  const magnitude = ((((value & 0x0f) << 3) + 0x84) << ((value & 0x70) >> 4)) - 0x84;
  return value & 0x80 ? -magnitude : magnitude;
}

/** ITU-T G.711, tables 1: the same, with every second bit turned over. */
function ofALaw(code: number): number {
  const value = code ^ 0x55;
  const place = (value & 0x70) >> 4;
  const mantissa = ((value & 0x0f) << 4) + 8;
  const magnitude = place === 0 ? mantissa : (mantissa + 0x100) << (place - 1);
  return value & 0x80 ? magnitude : -magnitude;
}
