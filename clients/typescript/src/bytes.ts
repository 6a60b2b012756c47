/** Samples as sockets carry them: PCM16, little endian, which is what every such machine has. */

export function bytesOf(pcm: Int16Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(pcm.buffer, pcm.byteOffset, pcm.byteLength);
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
