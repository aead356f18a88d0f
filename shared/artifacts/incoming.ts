/**
 * A blob that comes in piece by piece, known by its hash before it is there: written to a temporary file beside its
 * place and hashed on the way, so that its size costs no memory.
 *
 * 1. Nobody sees it before all of it is durable and has the hash it was announced with, as the file
 *    system tells it back.
 * 2. However it ends, no temporary file is left; a crash may leave one, which nothing reads.
 */
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";

/** The store that takes such blobs. */
export interface IncomingStore {
  /** Begins one. The caller ends it with `commit` or `abort`. Throws unavailable. */
  receive(sha256: string): Promise<Incoming>;
}

export interface Incoming {
  /** Adds bytes; the next come when it has resolved. Throws unavailable. */
  write(bytes: Uint8Array): Promise<void>;
  /** Puts it in its place, durably, if it has its hash; answers the hash it has. Throws unavailable, already_exists. */
  commit(): Promise<{ sha256: string; stored: boolean }>;
  /** Drops it; after `commit` there is nothing to drop. Never rejects. */
  abort(): Promise<void>;
}

export class IncomingFile {
  private readonly hash: Hash = createHash("sha256");
  private bytes = 0;

  private constructor(
    private readonly path: string,
    private readonly temp: string,
    private readonly file: FileHandle,
  ) {}

  static async begin(path: string, temp: string): Promise<IncomingFile> {
    await mkdir(dirname(path), { recursive: true });
    return new IncomingFile(path, temp, await open(temp, "wx"));
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.hash.update(bytes);
    this.bytes += bytes.byteLength;
    await this.file.writeFile(bytes);
  }

  /** The hash of all that was written. */
  digest(): string {
    return this.hash.digest("hex");
  }

  /** Puts it in its place; `digest` is what was written. Throws, and it is nowhere, when something else can be read. */
  async place(digest: string): Promise<void> {
    await this.file.sync();
    await this.file.close();
    if ((await fileSha256(this.temp)) !== digest) throw notKept((await stat(this.temp)).size, this.bytes);
    await rename(this.temp, this.path);
    const folder = await open(dirname(this.path), "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  async drop(): Promise<void> {
    await this.file.close().catch(() => {});
    await rm(this.temp, { force: true }).catch(() => {});
  }
}

/** All of a blob was written without an error, and something else is read back. */
export const notKept = (kept: number, written: number): Error =>
  new Error(
    kept === written
      ? "other bytes are read back than were written"
      : `${kept} of the ${written} bytes that were written are read back`,
  );

/** The hash of a file, read piece by piece. */
export async function fileSha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
