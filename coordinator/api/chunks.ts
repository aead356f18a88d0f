/** Files as the messages of a stream. */

export const CHUNK_BYTES = 256 * 1024;

export function* chunks(bytes: Buffer): Generator<{ chunk: Buffer }> {
  for (let at = 0; at < bytes.byteLength; at += CHUNK_BYTES)
    yield { chunk: bytes.subarray(at, at + CHUNK_BYTES) };
}
