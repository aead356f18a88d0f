/**
 * Pictures: each is found, hashed and measured from its own bytes. A picture that is not there or cannot be read stays
 * in the item as missing, with a warning: its sample will be `engine_error: media_missing`, and the others still run.
 * One that is too large is an error, because leaving it out or shrinking it silently would measure something else.
 */
import { readFile, stat } from "node:fs/promises";
import sharp from "sharp";
import type { FindingList } from "../benchmark/finding.js";
import type { Item, Media } from "../benchmark/item.js";
import type { Sha256 } from "../benchmark/json.js";
import { type FilePlace, locate } from "./locate.js";

export const MAX_PIXELS = 25_000_000;
const MAX_BYTES = 100 * 1024 * 1024;

const MIME: Readonly<Record<string, string>> = {
  jpeg: "image/jpeg",
  png: "image/png",
  webp: "image/webp",
  gif: "image/gif",
};

export interface PictureReader {
  /** The picture of that name; adds findings and, when it is there, its file to the media map. */
  read(name: string, itemId: string): Promise<Media>;
  /** Warns when the source claims another size than the item's first picture has. */
  checkLabel(item: Item, labelled: string | undefined): void;
}

export function createPictureReader(
  options: { files?: FilePlace; sha256: Sha256 },
  field: string,
  folder: string | undefined,
  media: Map<string, string>,
  findings: FindingList,
): PictureReader {
  const known = new Map<string, Media>();

  async function open(name: string): Promise<Media | { refused: string }> {
    const missing = (reason: string): Media => ({ kind: "missing", name, reason });
    if (!options.files) return missing("was not sent along");
    const located = await locate(options.files, name, folder);
    if (!located.ok)
      return located.reason === "escapes" ? { refused: located.message } : missing("file not found");
    try {
      const kind = await stat(located.path);
      if (!kind.isFile()) return missing("not a file");
      const { size } = kind;
      if (size > MAX_BYTES) return { refused: `${name} has ${size} bytes; the limit is ${MAX_BYTES}` };
      if (size === 0) return missing("the file is empty");
      const bytes = await readFile(located.path);
      const { mime, width, height } = await measure(bytes);
      if (width * height > MAX_PIXELS) {
        return {
          refused: `${name} has ${width}x${height} pixels; the limit is ${MAX_PIXELS / 1e6} megapixels`,
        };
      }
      const sha256 = options.sha256(bytes);
      media.set(sha256, located.path);
      return { kind: "image", name, sha256, mime, bytes: bytes.byteLength, width, height };
    } catch (error) {
      return missing(`cannot be read: ${firstLine(error)}`);
    }
  }

  return {
    async read(name, itemId) {
      const before = known.get(name);
      if (before) return before;
      const opened = await open(name);
      const result: Media = "refused" in opened ? { kind: "missing", name, reason: opened.refused } : opened;
      if ("refused" in opened) findings.error(field, `item ${itemId}: ${opened.refused}`);
      else if (opened.kind === "missing") {
        findings.warning(
          field,
          `item ${itemId}: picture ${name} is missing (${opened.reason})`,
          "its samples will fail as media_missing",
        );
      }
      known.set(name, result);
      return result;
    },
    checkLabel(item, labelled) {
      const size = /^\s*(\d+)\s*[x×]\s*(\d+)\s*$/i.exec(labelled ?? "");
      const [first] = item.media;
      if (!size || first?.kind !== "image") return;
      if (Number(size[1]) === first.width && Number(size[2]) === first.height) return;
      findings.warning(
        field,
        `item ${item.id}: picture ${first.name} is labelled ${labelled}, is ${first.width}x${first.height}`,
        "the size is read from the file",
      );
    },
  };
}

/** Format and size as the bytes say. Throws an Error for anything that is no picture engines take. */
async function measure(bytes: Buffer): Promise<{ mime: string; width: number; height: number }> {
  if (bytes.subarray(0, 2).toString("latin1") === "BM") return measureBmp(bytes);
  const { format, width, height } = await sharp(bytes, { limitInputPixels: false }).metadata();
  const mime = MIME[format];
  if (mime === undefined) throw new Error(`${format} is not one of ${Object.keys(MIME).join(", ")}, bmp`);
  return { mime, width, height };
}

/** Width and height stand at bytes 18 and 22 of a BITMAPINFOHEADER; a negative height means top-down rows. */
function measureBmp(bytes: Buffer): { mime: string; width: number; height: number } {
  if (bytes.byteLength < 54 || bytes.readUInt32LE(14) < 40) throw new Error("the BMP header is cut short");
  const [width, height] = [bytes.readInt32LE(18), Math.abs(bytes.readInt32LE(22))];
  if (width <= 0 || height === 0) throw new Error("the BMP header has no size");
  return { mime: "image/bmp", width, height };
}

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
