/** Samples as sockets carry them: PCM16, little endian, which is what every such machine has. */

export function bytesOf(pcm: Int16Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(pcm.buffer, pcm.byteOffset, pcm.byteLength);
}

/**
 * A copy of what a caller may write into again.
 * @throws {TypeError} it is none of 16 bits: taken for such it would be noise, or silence.
 */
export function samplesOf(pcm: Int16Array): Int16Array<ArrayBuffer> {
  // Not `instanceof`: samples may come from another realm, as a frame's or a test's do.
  if (Object.prototype.toString.call(pcm) !== "[object Int16Array]") {
    throw new TypeError("samples are PCM16, in an Int16Array");
  }
  return new Int16Array(pcm);
}

export function base64Of(pcm: Int16Array): string {
  const bytes = new Uint8Array(pcm.buffer, pcm.byteOffset, pcm.byteLength);
  let text = "";
  // Not all at once: the arguments of a call have their limit.
  for (let first = 0; first < bytes.length; first += 8192) {
    text += String.fromCharCode(...bytes.subarray(first, first + 8192));
  }
  return btoa(text);
}
