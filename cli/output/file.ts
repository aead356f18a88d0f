/** Writing a result to a file: whole or not at all, so that a full disk or Ctrl-C leaves no half report behind. */
import { createWriteStream } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import { SaiError } from "../../shared/runtime/errors.js";

/** Streams `chunks` into `path` (folders are made, an existing file is replaced) by way of a temporary file. */
export async function writeWhole(
  path: string,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  const partial = `${path}.partial`;
  try {
    await mkdir(dirname(path), { recursive: true });
    await pipeline(chunks, createWriteStream(partial));
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true }).catch(() => {});
    if (error instanceof SaiError) throw error;
    throw new SaiError("failed_precondition", `cannot write ${path}`, { cause: error });
  }
}
