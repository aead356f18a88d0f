/** The pictures of one sample: loaded by hash, scaled down if the suite limits their size. */
import sharp from "sharp";
import type { Media } from "../../shared/benchmark/item.js";
import type { Sha256 } from "../../shared/benchmark/json.js";
import { errorText, SaiError } from "../../shared/runtime/errors.js";

export interface LoadedImage {
  name: string;
  mime: string;
  bytes: Uint8Array;
  /** Of `bytes`, that is after scaling; hex. */
  sha256: string;
  scaled: boolean;
}

export type LoadedMedia =
  | { ok: true; images: LoadedImage[] }
  /** media_missing: not in the dataset or not in the store. media_broken: cannot be decoded. */
  | { ok: false; class: "media_missing" | "media_broken"; message: string };

/** 25 megapixels. */
const MAX_PIXELS = 25_000_000;

/**
 * Loads all pictures in order. `readBlob` gives the bytes that a hash names. Its `not_found` is the sample's own fault;
 * anything else that it throws goes through, because it tells of the store and nothing of the sample.
 */
export async function loadMedia(
  media: readonly Media[],
  maxImageSize: number | undefined,
  readBlob: (sha256: string) => Promise<Uint8Array>,
  sha256: Sha256,
): Promise<LoadedMedia> {
  const images: LoadedImage[] = [];
  for (const entry of media) {
    if (entry.kind === "missing") {
      return { ok: false, class: "media_missing", message: `${entry.name}: ${entry.reason}` };
    }
    const { name, mime } = entry;
    let bytes: Uint8Array;
    try {
      bytes = await readBlob(entry.sha256);
    } catch (error) {
      if (!(error instanceof SaiError) || error.code !== "not_found") throw error;
      const message = `${name} (sha256 ${entry.sha256}) cannot be fetched: ${errorText(error)}`;
      return { ok: false, class: "media_missing", message };
    }
    if (maxImageSize === undefined || Math.max(entry.width, entry.height) <= maxImageSize) {
      images.push({ name, mime, bytes, sha256: entry.sha256, scaled: false });
      continue;
    }
    try {
      const small = await scaledDown(bytes, mime, maxImageSize);
      images.push({ name, ...small, sha256: sha256(small.bytes), scaled: true });
    } catch (error) {
      const message = `${name} cannot be scaled to ${maxImageSize} pixels: ${errorText(error)}`;
      return { ok: false, class: "media_broken", message };
    }
  }
  return { ok: true, images };
}

/** Longest side at most `maxSize` pixels. JPEG stays JPEG; everything else becomes PNG, which loses nothing more. */
async function scaledDown(bytes: Uint8Array, mime: string, maxSize: number) {
  const picture = sharp(bytes, { limitInputPixels: MAX_PIXELS, failOn: "error" })
    // Upright as its EXIF data says, because the output carries none.
    .rotate()
    .resize({ width: maxSize, height: maxSize, fit: "inside", withoutEnlargement: true });
  const jpeg = mime === "image/jpeg";
  const small = await (jpeg ? picture.jpeg({ quality: 95 }) : picture.png()).toBuffer();
  return { bytes: new Uint8Array(small), mime: jpeg ? mime : "image/png" };
}
