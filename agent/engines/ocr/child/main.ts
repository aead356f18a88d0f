/**
 * The recogniser's own process. Tesseract runs as WebAssembly in a worker thread; a failed start and some broken
 * pictures throw there where nobody can catch them, and a long recognition cannot be stopped. All of that ends this
 * process and nothing else. It lives no longer than its owner: when the channel closes, it ends.
 *
 * Tesseract's adaptive classifier is off: it learns from every picture it reads, so a text would depend on the pictures
 * that the same process happened to read before.
 */
import sharp from "sharp";
import { createWorker, type PSM, type Worker } from "tesseract.js";
import { errorText } from "../../../../shared/runtime/errors.js";
import type { FromRecognizer, RecognizerSettings, ToRecognizer } from "../messages.js";

/** 25 megapixels, after enlarging. */
const MAX_PIXELS = 25_000_000;

let worker: Worker | undefined;
let upscale = 1;

process.on("disconnect", () => process.exit(0));
process.on("message", (message: ToRecognizer) => {
  if (message.kind === "start") void start(message.settings);
  else void recognize(message.id, message.images);
});

async function start(settings: RecognizerSettings): Promise<void> {
  upscale = settings.upscale;
  try {
    worker = await created(settings);
    await worker.setParameters({
      // The type is an enum of digits as text.
      tessedit_pageseg_mode: String(settings.psm) as PSM,
      user_defined_dpi: String(settings.dpi),
      classify_enable_learning: "0",
    });
    say({ kind: "ready" });
  } catch (error) {
    say({ kind: "failed", message: errorText(error) });
  }
}

/** The library's promise stays open for ever when the data cannot be loaded; its error handler hears of it. */
function created(settings: RecognizerSettings): Promise<Worker> {
  return new Promise((resolve, reject) => {
    createWorker("eng", settings.oem, {
      ...{ langPath: settings.dataDir, cacheMethod: "none", gzip: true },
      ...{ legacyCore: settings.oem === 0, legacyLang: settings.oem === 0 },
      errorHandler: (error: unknown) => reject(new Error(String(error))),
    }).then(resolve, reject);
  });
}

async function recognize(id: number, images: { name: string; bytes: Uint8Array }[]): Promise<void> {
  const texts: string[] = [];
  for (const image of images) {
    const picture = await readable(image.bytes).catch((error: unknown) => {
      say({ kind: "error", id, of: "media", message: `${image.name} cannot be read: ${errorText(error)}` });
    });
    if (picture === undefined) return;
    try {
      if (worker === undefined) throw new Error("asked to recognise before it was ready");
      const { data } = await worker.recognize(picture);
      texts.push(data.text.trim());
    } catch (error) {
      const of = isBmp(image.bytes) ? "media" : "engine";
      return say({ kind: "error", id, of, message: `${image.name}: ${errorText(error)}` });
    }
  }
  say({ kind: "text", id, text: texts.join("\n") });
}

/** BMP, which sharp does not read and Tesseract does. */
const isBmp = (bytes: Uint8Array) => bytes[0] === 0x42 && bytes[1] === 0x4d;

/** The picture as PNG that Tesseract certainly reads, enlarged if asked for. Throws when it cannot be decoded. */
async function readable(bytes: Uint8Array): Promise<Buffer> {
  if (isBmp(bytes) && upscale === 1) return Buffer.from(bytes);
  const options = { limitInputPixels: MAX_PIXELS, failOn: "error" as const };
  const { width, height, format } = await sharp(bytes, options).metadata();
  if (upscale === 1 && format === "png") {
    // Decoded once to be sure that it is whole; the original bytes are what is read.
    await sharp(bytes, options).stats();
    return Buffer.from(bytes);
  }
  const wide = Math.round(width * upscale);
  const high = Math.round(height * upscale);
  if (wide * high > MAX_PIXELS) throw new Error(`${wide}x${high} pixels are over the limit of ${MAX_PIXELS}`);
  const picture = sharp(bytes, options).rotate();
  return upscale === 1
    ? picture.png().toBuffer()
    : picture.resize({ width: wide, height: high, fit: "fill", kernel: "lanczos3" }).png().toBuffer();
}

function say(message: FromRecognizer): void {
  process.send?.(message);
}
