/**
 * What attempts fetched from the artifact store, kept on the node's disk by hash: the next attempt with the same dataset
 * fetches nothing, after a restart too. It is a convenience: whatever goes wrong with it, the store is asked instead.
 *
 * 1. What is given out has its hash, whatever the disk did to it; what has not is removed and fetched again.
 * 2. All together have at most so many bytes; what was used longest ago goes first. (Of an earlier start the order of use
 *    is not known.)
 * 3. Files are named `<hash>-<bytes>`; anything else in the folder is removed.
 */
import type { Disk } from "../../shared/runtime/disk.js";
import { errorText } from "../../shared/runtime/errors.js";
import { sha256 as hashOf } from "../../shared/runtime/hash.js";
import type { Logger } from "../../shared/runtime/logger.js";

const NAME = /^([0-9a-f]{64})-(\d+)$/;

export class BlobCache {
  /** Bytes by hash, in order of last use. */
  private readonly kept = new Map<string, number>();
  private bytes = 0;
  private opened: Promise<void> | undefined;

  constructor(
    private readonly disk: Disk,
    private readonly dir: string,
    private readonly maxBytes: number,
    private readonly log: Logger,
  ) {}

  /** The blob of this hash: from here, or from `fetch`, which answers it verified. Rejects with what `fetch` rejects with. */
  async get(sha256: string, fetch: () => Promise<Buffer>): Promise<Buffer> {
    this.opened ??= this.open();
    await this.opened;
    const known = await this.read(sha256);
    if (known) return known;
    const blob = await fetch();
    await this.keep(sha256, blob).catch((error: unknown) => {
      this.log.debug({ reason: errorText(error), sha256 }, "a blob could not be kept in the cache");
    });
    return blob;
  }

  /** Gives all its room back. */
  async clear(): Promise<void> {
    for (const sha256 of [...this.kept.keys()]) await this.drop(sha256);
  }

  private async open(): Promise<void> {
    try {
      await this.disk.mkdir(this.dir);
      for (const name of await this.disk.list(this.dir)) {
        const [, sha256, bytes] = NAME.exec(name) ?? [];
        if (sha256 === undefined) await this.disk.remove(`${this.dir}/${name}`);
        else this.note(sha256, Number(bytes));
      }
      await this.makeRoom();
    } catch (error) {
      this.log.warn(
        { reason: errorText(error), dir: this.dir },
        "the cache of inputs cannot be used as it is",
      );
    }
  }

  private async read(sha256: string): Promise<Buffer | undefined> {
    const bytes = this.kept.get(sha256);
    if (bytes === undefined) return undefined;
    const blob = await this.disk.read(this.path(sha256, bytes)).catch(() => undefined);
    if (blob !== undefined && hashOf(blob) === sha256) {
      this.note(sha256, bytes);
      return blob;
    }
    this.log.warn({ sha256 }, "a blob in the cache is damaged or gone; fetching it again");
    await this.drop(sha256);
    return undefined;
  }

  private async keep(sha256: string, blob: Buffer): Promise<void> {
    const bytes = blob.byteLength;
    if (bytes > this.maxBytes || this.kept.has(sha256)) return;
    this.note(sha256, bytes);
    try {
      await this.makeRoom(sha256);
      await this.disk.writeAtomic(this.path(sha256, bytes), blob);
      // Given up while it was being written: nobody would count it.
      if (!this.kept.has(sha256)) await this.disk.remove(this.path(sha256, bytes));
    } catch (error) {
      await this.drop(sha256);
      throw error;
    }
  }

  /** Until what is noted fits; `but` stays. */
  private async makeRoom(but?: string): Promise<void> {
    for (const sha256 of [...this.kept.keys()]) {
      if (this.bytes <= this.maxBytes) return;
      if (sha256 !== but) await this.drop(sha256);
    }
  }

  private note(sha256: string, bytes: number): void {
    this.bytes += bytes - (this.kept.get(sha256) ?? 0);
    this.kept.delete(sha256);
    this.kept.set(sha256, bytes);
  }

  private async drop(sha256: string): Promise<void> {
    const bytes = this.kept.get(sha256);
    if (bytes === undefined) return;
    this.kept.delete(sha256);
    this.bytes -= bytes;
    await this.disk.remove(this.path(sha256, bytes)).catch(() => {});
  }

  private path(sha256: string, bytes: number): string {
    return `${this.dir}/${sha256}-${bytes}`;
  }
}
