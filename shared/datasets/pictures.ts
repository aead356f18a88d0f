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
import { escapeHint, type FilePlace, locate, type Near, outsideHint } from "./locate.js";

export const MAX_PIXELS = 25_000_000;
/** Most paths in one warning. */
const MAX_SHOWN = 5;
const MAX_BYTES = 100 * 1024 * 1024;

/** How the reason begins when there is something of that name. */
const UNREADABLE = "is no picture that can be read: ";
const unreadable = (why: string): string => `${UNREADABLE}${why}`;

const MIME: Readonly<Record<string, string>> = {
  jpeg: "image/jpeg",
  png: "image/png",
  webp: "image/webp",
  gif: "image/gif",
};

/** The file a picture was read from, or the picture itself where the dataset's own file has it. */
export type MediaSource = string | Uint8Array;

export interface PictureReader {
  /** The picture of that name; adds findings and, when it is there, its file to the media map. */
  read(name: string, itemId: string): Promise<Media>;
  /** Warns when the source claims another size than the item's first picture has. */
  checkLabel(item: Item, labelled: string | undefined): void;
  /** Warns of pictures that lie outside of the suite's folder, once for all. */
  close(): void;
}

export function createPictureReader(
  options: { files?: FilePlace; sha256: Sha256 },
  field: string,
  near: Near | undefined,
  /** Pictures of the dataset's own file, by name. */
  embedded: ReadonlyMap<string, Buffer>,
  media: Map<string, MediaSource>,
  findings: FindingList,
): PictureReader {
  const known = new Map<string, Media>();
  const outside = new Set<string>();

  async function taken(
    name: string,
    bytes: Buffer,
    source: MediaSource,
  ): Promise<Media | { refused: string }> {
    const { mime, width, height } = await measure(bytes);
    if (width * height > MAX_PIXELS) {
      return {
        refused: `${name} has ${width}x${height} pixels; the limit is ${MAX_PIXELS / 1e6} megapixels`,
      };
    }
    const sha256 = options.sha256(bytes);
    media.set(sha256, source);
    return { kind: "image", name, sha256, mime, bytes: bytes.byteLength, width, height };
  }

  async function open(name: string): Promise<Media | { refused: string; hint?: string }> {
    const missing = (reason: string): Media => ({ kind: "missing", name, reason });
    const own = embedded.get(name);
    if (own !== undefined)
      return taken(name, own, own).catch((error) => missing(unreadable(firstLine(error))));
    if (!options.files) return missing("was not sent along");
    const located = await locate(options.files, name, near);
    if (!located.ok)
      return located.reason === "escapes"
        ? { refused: located.message, hint: escapeHint(options.files) }
        : missing("file not found");
    try {
      const kind = await stat(located.path);
      if (!kind.isFile()) return missing(unreadable("it is not a file"));
      const { size } = kind;
      if (size > MAX_BYTES) return { refused: `${name} has ${size} bytes; the limit is ${MAX_BYTES}` };
      if (size === 0) return missing(unreadable("the file is empty"));
      const result = await taken(name, await readFile(located.path), located.path);
      if ("refused" in result) return result;
      if (located.outside) outside.add(located.path);
      return result;
    } catch (error) {
      return missing(unreadable(firstLine(error)));
    }
  }

  return {
    async read(name, itemId) {
      const before = known.get(name);
      if (before) return before;
      const opened = await open(name);
      const result: Media = "refused" in opened ? { kind: "missing", name, reason: opened.refused } : opened;
      if ("refused" in opened) findings.error(field, `item ${itemId}: ${opened.refused}`, opened.hint);
      else if (opened.kind === "missing") {
        const absent = !opened.reason.startsWith(UNREADABLE);
        const what = absent ? `is missing (${opened.reason})` : opened.reason;
        findings.warning(
          field,
          `item ${itemId}: picture ${name} ${what}`,
          "its samples will fail, and the others still run",
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
    close() {
      if (outside.size === 0) return;
      const shown = [...outside].slice(0, MAX_SHOWN).join(", ");
      const more = outside.size > MAX_SHOWN ? ` and ${outside.size - MAX_SHOWN} more` : "";
      const which = outside.size === 1 ? "a picture lies" : `${outside.size} pictures lie`;
      findings.warning(
        field,
        `${which} outside of the suite's folder and will be read and uploaded: ${shown}${more}`,
        outsideHint,
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
