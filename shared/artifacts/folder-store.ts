/**
 * An artifact store in a folder, local or NFS-mounted. A blob is written to a temporary file beside its place, synced,
 * closed, read back and renamed, and the folder is synced, so that a crash leaves the whole blob or none. Reading back
 * notices a write that came out short or wrong, as the file system tells it (most likely from its cache); it does not
 * notice what a disk loses later, or never had although it answered the sync.
 */
import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { errorText, SaiError } from "../runtime/errors.js";
import { sha256 as hashOf } from "../runtime/hash.js";
import type { Random } from "../runtime/random.js";
import { fileSha256, type Incoming, IncomingFile, type IncomingStore, notKept } from "./incoming.js";
import { type ArtifactStore, casKey } from "./store.js";

const KEY = /^[A-Za-z0-9._:@-]+(\/[A-Za-z0-9._:@-]+)*$/;

/** Opens the store in `dir`, which is made if absent. Throws failed_precondition if it cannot be written. */
export async function openFolderStore(dir: string, random: Random): Promise<ArtifactStore & IncomingStore> {
  const root = resolve(dir);
  await mkdir(root, { recursive: true }).catch((cause) => {
    throw new SaiError("failed_precondition", `artifacts.dir ${root} cannot be made`, {
      hint: "choose a folder this user can write, or mount the share first",
      cause,
    });
  });
  return new FolderStore(root, random);
}

class FolderStore implements ArtifactStore, IncomingStore {
  constructor(
    readonly location: string,
    private readonly random: Random,
  ) {}

  async put(key: string, data: Uint8Array): Promise<void> {
    const path = this.path(key);
    const temp = `${path}.tmp-${this.random.id(10)}`;
    try {
      if (await this.holdsSame(key, path, data)) return;
      await mkdir(dirname(path), { recursive: true });
      await writeSynced(temp, data);
      await readBack(temp, data);
      await rename(temp, path);
      await syncFolder(dirname(path));
    } catch (cause) {
      if (cause instanceof SaiError) throw cause;
      await rm(temp, { force: true }).catch(() => {});
      throw this.unavailable("write", key, cause);
    }
  }

  async receive(sha256: string): Promise<Incoming> {
    const key = casKey(sha256);
    const path = this.path(key);
    const doing = <T>(what: Promise<T>): Promise<T> =>
      what.catch((cause) => {
        throw cause instanceof SaiError ? cause : this.unavailable("write", key, cause);
      });
    const file = await doing(IncomingFile.begin(path, `${path}.tmp-${this.random.id(10)}`));
    const commit = async () => {
      const found = file.digest();
      if (found !== sha256) return { sha256: found, stored: false };
      const isThere = (await this.size(key)) !== undefined && (await fileSha256(path)) === sha256;
      if (!isThere) await file.place(found);
      return { sha256, stored: true };
    };
    return {
      write: (bytes) => doing(file.write(bytes)),
      commit: () => doing(commit()),
      abort: () => file.drop(),
    };
  }

  async get(key: string): Promise<Buffer> {
    try {
      return await readFile(this.path(key));
    } catch (cause) {
      if (isAbsent(cause))
        throw new SaiError("not_found", `no artifact ${key} in ${this.location}`, { cause });
      throw this.unavailable("read", key, cause);
    }
  }

  async size(key: string): Promise<number | undefined> {
    try {
      return (await stat(this.path(key))).size;
    } catch (cause) {
      if (isAbsent(cause)) return undefined;
      throw this.unavailable("look at", key, cause);
    }
  }

  async remove(key: string): Promise<void> {
    const path = this.path(key);
    await rm(path, { force: true }).catch((cause) => {
      throw this.unavailable("remove", key, cause);
    });
  }

  /** The disk or the share refuses: it may be well again later, so whoever can wait tries again. */
  private unavailable(what: string, key: string, cause: unknown): SaiError {
    return new SaiError("unavailable", `cannot ${what} ${key} in ${this.location}: ${errorText(cause)}`, {
      hint: "check free space, permissions and, on NFS, the mount",
      cause,
    });
  }

  private path(key: string): string {
    if (!KEY.test(key) || key.split("/").some((part) => /^\.+$/.test(part))) {
      throw new SaiError("invalid_argument", `"${key.slice(0, 200)}" is not an artifact key`);
    }
    return join(this.location, key);
  }

  /**
   * True if the key holds these bytes already. Throws if it holds others, unless the key is their hash: then what is there
   * is damaged, and is replaced.
   */
  private async holdsSame(key: string, path: string, data: Uint8Array): Promise<boolean> {
    const size = await this.size(key);
    if (size === undefined) return false;
    if (size === data.byteLength && (await readFile(path)).equals(data)) return true;
    if (key === casKey(hashOf(data))) return false;
    throw new SaiError("already_exists", `artifact ${key} in ${this.location} holds other bytes`);
  }
}

async function writeSynced(path: string, data: Uint8Array): Promise<void> {
  const file = await open(path, "wx");
  try {
    await file.writeFile(data);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Throws unless the file holds these bytes. */
async function readBack(path: string, data: Uint8Array): Promise<void> {
  const kept = await readFile(path);
  if (!kept.equals(data)) throw notKept(kept.byteLength, data.byteLength);
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

const isAbsent = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "ENOENT";
