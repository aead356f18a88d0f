/**
 * An artifact store in a folder, local or NFS-mounted (then with the rules of files.ts, in a process of its own:
 * nfs/nfs-store.ts). A blob is written to a temporary file beside its place, synced, closed, read back and renamed, and
 * the folder is synced, so that a crash leaves the whole blob or none. Reading back notices a write that came out short
 * or wrong, as the file system tells it (most likely from its cache); it does not notice what a disk loses later, or
 * never had although it answered the sync.
 */
import type { Dirent } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { errorText, SaiError } from "../runtime/errors.js";
import { sha256 as hashOf } from "../runtime/hash.js";
import type { Random } from "../runtime/random.js";
import {
  beginningAnew,
  codeOf,
  type FolderRules,
  filePieces,
  fileSha256,
  makeFolders,
  nodeFiles,
} from "./files.js";
import { type Incoming, IncomingFile } from "./incoming.js";
import { type Artifacts, casKey, checkedKey, type Entry, getVerified } from "./store.js";

/** Opens the store in `dir`, which is made if absent. Throws failed_precondition if it cannot be written. */
export async function openFolderStore(dir: string, random: Random): Promise<Artifacts> {
  const root = resolve(dir);
  await nodeFiles.mkdir(root, { recursive: true }).catch((cause) => {
    throw new SaiError("failed_precondition", `artifacts.dir ${root} cannot be made`, {
      hint: "choose a folder this user can write, or mount the share first",
      cause,
    });
  });
  return new FolderStore(root, random, { files: nodeFiles, nfs: false });
}

export class FolderStore implements Artifacts {
  constructor(
    readonly location: string,
    private readonly random: Random,
    private readonly rules: FolderRules,
  ) {}

  put(key: string, data: Uint8Array): Promise<void> {
    return this.doing("write", key, async (path) => {
      if (await this.holdsSame(key, path, data)) return;
      await this.makeFolder(dirname(path));
      const file = await IncomingFile.begin(this.rules, path, this.temp(path));
      try {
        await file.write(data);
        await file.place(file.digest());
      } catch (error) {
        await file.drop();
        throw error;
      }
    });
  }

  async receive(sha256: string): Promise<Incoming> {
    const key = casKey(sha256);
    const file = await this.doing("write", key, async (path) => {
      await this.makeFolder(dirname(path));
      return IncomingFile.begin(this.rules, path, this.temp(path));
    });
    const commit = async (path: string) => {
      const found = file.digest();
      if (found !== sha256) return { sha256: found, stored: false };
      const isThere =
        (await this.size(key)) !== undefined && (await fileSha256(this.rules.files, path)) === sha256;
      if (!isThere) await file.place(found);
      return { sha256, stored: true };
    };
    return {
      write: (bytes) => this.once("write", key, () => file.write(bytes)),
      commit: () => this.once("write", key, commit),
      abort: () => file.drop(),
    };
  }

  get(key: string): Promise<Buffer> {
    return this.doing("read", key, (path) => this.rules.files.readFile(path).catch(this.absent(key)));
  }

  async *read(key: string): AsyncGenerator<Uint8Array> {
    const pieces = filePieces(this.rules.files, this.path(key));
    try {
      for (;;) {
        const { value, done } = await this.once("read", key, () => pieces.next().catch(this.absent(key)));
        if (done === true) return;
        yield value;
      }
    } finally {
      await pieces.return(undefined);
    }
  }

  size(key: string): Promise<number | undefined> {
    return this.doing("look at", key, async (path) => {
      const { files } = this.rules;
      try {
        return (await files.stat(path)).size;
      } catch (error) {
        if (codeOf(error) !== "ENOENT") throw error;
        await files.stat(this.location);
        return undefined;
      }
    });
  }

  remove(key: string): Promise<void> {
    return this.doing("remove", key, (path) => this.rules.files.rm(path, { force: true }));
  }

  async *list(prefix: string): AsyncGenerator<string> {
    for await (const key of this.listing(prefix)) if (key !== undefined) yield key;
  }

  async *entries(prefix: string): AsyncGenerator<Entry> {
    for await (const entry of this.looking(prefix)) if (entry !== undefined) yield entry;
  }

  async removeLeftovers(olderThanMs: number): Promise<number> {
    let removed = 0;
    for await (const key of this.removing(olderThanMs)) if (key !== undefined) removed += 1;
    return removed;
  }

  /** `list` step by step: undefined after a step that found no key, so that whoever asks sees that it goes on. */
  async *listing(prefix: string): AsyncGenerator<string | undefined> {
    const below = prefix.slice(0, prefix.lastIndexOf("/") + 1);
    if (below !== "") checkedKey(below.slice(0, -1));
    for await (const entry of this.files(below))
      yield entry !== undefined && !TEMP.test(entry.name) && entry.key.startsWith(prefix)
        ? entry.key
        : undefined;
  }

  /** `entries` in the same way; what is removed meanwhile is none. */
  async *looking(prefix: string): AsyncGenerator<Entry | undefined> {
    for await (const key of this.listing(prefix)) {
      if (key === undefined) {
        yield undefined;
        continue;
      }
      const found = await this.rules.files.stat(join(this.location, key)).catch((error: unknown) => {
        if (codeOf(error) === "ENOENT") return undefined;
        throw this.refusal("look at", key, error);
      });
      yield found && { key, bytes: found.size, writtenMs: found.mtimeMs };
    }
  }

  /** `removeLeftovers` in the same way, with what was removed. One that cannot be removed keeps no other. */
  async *removing(olderThanMs: number): AsyncGenerator<string | undefined> {
    const { files } = this.rules;
    let refused: unknown;
    for await (const entry of this.files("")) {
      let removed: string | undefined;
      if (entry !== undefined && TEMP.test(entry.name)) {
        const { key } = entry;
        const path = join(this.location, key);
        try {
          if (Date.now() - (await files.stat(path)).mtimeMs > olderThanMs) {
            await files.rm(path, { force: true });
            removed = key;
          }
        } catch (error) {
          // Its upload may have ended this moment.
          if (codeOf(error) !== "ENOENT") refused ??= this.refusal("remove", key, error);
        }
      }
      yield removed;
    }
    if (refused !== undefined) throw refused;
  }

  async link(): Promise<undefined> {}

  async check(): Promise<string> {
    const bytes = Buffer.from(this.random.id(32));
    const key = `probe/check-${this.random.id(16)}`;
    await this.put(key, bytes);
    await getVerified(this, key, hashOf(bytes)).finally(() => this.remove(key));
    const { files, nfs } = this.rules;
    const isNfs = (await files.statfs(this.location)).type === NFS_TYPE;
    if (nfs) return isNfs ? "on NFS" : "not on NFS: is the share mounted?";
    return isNfs ? "on NFS: set artifacts.kind: nfs, so that a share that hangs holds up nothing else" : "";
  }

  async close(): Promise<void> {}

  /** Files below a folder, with their keys; undefined for each folder. */
  private async *files(below: string): AsyncGenerator<{ name: string; key: string } | undefined> {
    const pending = [below];
    for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
      const folder = join(this.location, at);
      const found: Dirent[] = [];
      const prefix = at;
      try {
        for await (const entry of await this.rules.files.opendir(folder)) found.push(entry);
      } catch (error) {
        if (codeOf(error) === "ENOENT") continue;
        throw this.refusal("list", at, error);
      }
      yield undefined;
      for (const entry of found) {
        if (entry.isDirectory()) pending.push(`${prefix}${entry.name}/`);
        else if (entry.isFile()) yield { name: entry.name, key: `${prefix}${entry.name}` };
      }
    }
  }

  /** The root is not made anew: a share that is not mounted any more would be written to the disk under it. */
  private async makeFolder(dir: string): Promise<void> {
    await this.rules.files.stat(this.location);
    await makeFolders(this.rules.files, dir);
  }

  private readonly absent = (key: string) => async (cause: unknown) => {
    if (codeOf(cause) !== "ENOENT") throw cause;
    await this.rules.files.stat(this.location);
    throw new SaiError("not_found", `no artifact ${key} in ${this.location}`, { cause });
  };

  private doing<T>(what: string, key: string, work: (path: string) => Promise<T>): Promise<T> {
    return this.once(what, key, (path) => (this.rules.nfs ? beginningAnew(() => work(path)) : work(path)));
  }

  private async once<T>(what: string, key: string, work: (path: string) => Promise<T>): Promise<T> {
    const path = this.path(key);
    try {
      return await work(path);
    } catch (cause) {
      throw cause instanceof SaiError ? cause : this.refusal(what, key, cause);
    }
  }

  /** The disk or the share refuses: it may be well again later, so whoever can wait tries again. */
  private refusal(what: string, key: string, cause: unknown): SaiError {
    const full = FULL.has(codeOf(cause));
    const message = `cannot ${what} ${key} in ${this.location}: ${errorText(cause)}`;
    const hint = full
      ? "free space there, or raise the quota"
      : "check free space, permissions and, on NFS, the mount";
    return new SaiError(full ? "resource_exhausted" : "unavailable", message, { hint, cause });
  }

  private path(key: string): string {
    return join(this.location, checkedKey(key));
  }

  private temp(path: string): string {
    return `${path}.tmp-${this.random.id(TEMP_ID)}`;
  }

  /**
   * True if the key holds these bytes already. Throws if it holds others, unless the key is their hash: then what is there
   * is damaged, and is replaced.
   */
  private async holdsSame(key: string, path: string, data: Uint8Array): Promise<boolean> {
    const size = await this.size(key);
    if (size === undefined) return false;
    if (size === data.byteLength && (await this.rules.files.readFile(path)).equals(data)) return true;
    if (key === casKey(hashOf(data))) return false;
    throw new SaiError("already_exists", `artifact ${key} in ${this.location} holds other bytes`);
  }
}

/** No space, no quota, or no more than so much in one file. */
const FULL = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);
const TEMP_ID = 10;
const TEMP = /\.tmp-[A-Za-z0-9]{10}$/;
/** What statfs says of a folder on NFS (Linux: NFS_SUPER_MAGIC). */
const NFS_TYPE = 0x6969;
