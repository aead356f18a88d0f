/**
 * The file system under a folder store; passed in, so that tests can make it fail. What a blob's file needs to be durable
 * and whole is here: written beside its place, synced, closed, read back, renamed, the folder synced.
 *
 * On NFS three things are different, and `nfs` says that the folder is on one:
 * 1. A handle or a name may be stale (ESTALE) when the server removed what it stood for: whoever can begins anew.
 * 2. An operation that is not repeatable may have been done although it failed, because its answer was lost and it was
 *    sent again. A rename that failed counts as done when the place has the bytes.
 * 3. What is read back may come from this machine's cache. It is read again at its place, through a fresh open, at which
 *    the client asks the server for size and time (close-to-open), so that a write that the server lost is noticed.
 *
 * Nothing is ever chowned, and nothing is locked: locks over NFS outlive their owners.
 */
import { createHash } from "node:crypto";
import * as nodeFs from "node:fs/promises";
import { basename, dirname } from "node:path";

export type Files = Pick<
  typeof nodeFs,
  "mkdir" | "open" | "opendir" | "readFile" | "rename" | "rm" | "stat" | "statfs"
>;

export const nodeFiles: Files = nodeFs;

export interface FolderRules {
  files: Files;
  nfs: boolean;
}

/**
 * Puts a file that is written, synced and closed into its place, durably. Throws, and it is nowhere, when it is not whole;
 * only under its hash may it stay, where whoever has the right bytes replaces it, and may have done so by now.
 */
export async function place(
  { files, nfs }: FolderRules,
  temp: string,
  path: string,
  written: { sha256: string; bytes: number },
): Promise<void> {
  await verify(files, temp, written);
  try {
    await files.rename(temp, path);
  } catch (error) {
    const isThere = nfs && (await fileSha256(files, path).catch(() => undefined)) === written.sha256;
    if (!isThere) throw error;
  }
  await syncFolder(files, dirname(path));
  if (!nfs) return;
  try {
    await verify(files, path, written);
  } catch (error) {
    // It is no answer to the next writer of the same key, who would be told that somebody else has it.
    if (error instanceof NotKept && basename(path) !== written.sha256)
      await files.rm(path, { force: true }).catch(() => {});
    throw error;
  }
}

/** Makes a folder and those above it, durably: each new one is synced where it is named. */
export async function makeFolders(files: Files, dir: string): Promise<void> {
  const first = await files.mkdir(dir, { recursive: true });
  if (first === undefined) return;
  for (let made = dir; made.length >= first.length; made = dirname(made))
    await syncFolder(files, dirname(made));
}

async function syncFolder(files: Files, dir: string): Promise<void> {
  const folder = await files.open(dir, "r");
  await folder.sync().finally(() => folder.close());
}

async function verify(files: Files, path: string, written: { sha256: string; bytes: number }): Promise<void> {
  const { size } = await files.stat(path);
  if (size !== written.bytes) throw new NotKept(size, written.bytes);
  if ((await fileSha256(files, path)) !== written.sha256) throw new NotKept(size, size);
}

/** All of a blob was written without an error, and something else is read back. */
export class NotKept extends Error {
  constructor(kept: number, written: number) {
    super(
      kept === written
        ? "other bytes are read back than were written"
        : `${kept} of the ${written} bytes that were written are read back`,
    );
  }
}

/** The hash of a file, read piece by piece. */
export async function fileSha256(files: Files, path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of filePieces(files, path)) hash.update(piece);
  return hash.digest("hex");
}

const PIECE_BYTES = 512 * 1024;

/** A file piece by piece; each piece is the reader's own. */
export async function* filePieces(files: Files, path: string): AsyncGenerator<Buffer> {
  const file = await files.open(path, "r");
  try {
    for (;;) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(PIECE_BYTES), 0, PIECE_BYTES);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

/** `work` again when what it worked on was stale, from its beginning; `work` must be repeatable. */
export async function beginningAnew<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (tries === STALE_TRIES || codeOf(error) !== "ESTALE") throw error;
    }
  }
}

const STALE_TRIES = 3;

export const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : "";
