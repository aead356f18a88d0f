/**
 * The files of an embedded store. What is checked before LMDB sees them, because it would take an empty file for a new
 * store and end the process over a truncated one; and the reserve, a file whose only use is to be given up.
 *
 * ```
 * data.mdb   LMDB's pages        lock.mdb   LMDB's locks        reserve   room for deletions on a full disk
 * ```
 */
import { randomFillSync } from "node:crypto";
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import { SaiError } from "../../../shared/runtime/errors.js";

const RESERVE_BYTES = 4 * 1024 ** 2;
const OURS = ["data.mdb", "lock.mdb", "reserve", "probe", "lost+found"];

const data = (folder: string) => path.join(folder, "data.mdb");
const reserve = (folder: string) => path.join(folder, "reserve");

/**
 * Makes the folder or checks what is in it; whether there is a store. Throws SaiError `config` when it cannot be one, or
 * not any more.
 */
export function prepareFolder(folder: string): boolean {
  let names: string[];
  try {
    const first = mkdirSync(folder, { recursive: true, mode: 0o700 });
    names = readdirSync(folder);
    closeSync(openSync(data(folder), "a", 0o600));
    syncUpTo(path.dirname(first ?? path.resolve(folder)), path.resolve(folder));
  } catch (cause) {
    throw new SaiError("config", `the state store's folder ${folder} cannot be written`, {
      hint: "make it writable for this user, or name another folder in store.path",
      cause,
    });
  }
  const foreign = names.filter((name) => !OURS.includes(name));
  const isNew = statSync(data(folder)).size === 0;
  if (isNew && foreign.length > 0) {
    rmSync(data(folder));
    throw noStore(folder, foreign);
  }
  // The reserve is made when the first commit is durable.
  if (isNew && names.includes("reserve")) throw damaged(folder, "its file data.mdb is missing or empty");
  if (!isNew) completeFile(folder);
  return !isNew;
}

/** What is said of a store that cannot be read. */
export const damaged = (folder: string, what: string, cause?: unknown): SaiError =>
  new SaiError("config", `the state store in ${folder} is damaged: ${what}`, {
    hint: "move the folder away and restore a snapshot, or start empty: campaigns are then forgotten, artifacts stay",
    ...(cause === undefined ? {} : { cause }),
  });

/**
 * Whether data.mdb could not grow now. Asked after a write that failed: LMDB says EIO for a write that a full disk cut
 * short. Another file is written at the same place, because of limits on a file's size and because data.mdb might have
 * another owner by now.
 */
export function diskIsFull(folder: string): boolean {
  const probe = path.join(folder, "probe");
  try {
    const file = openSync(probe, "w", 0o600);
    try {
      const bytes = Buffer.alloc(64 * 1024);
      return writeSync(file, bytes, 0, bytes.length, statSync(data(folder)).size) < bytes.length;
    } finally {
      closeSync(file);
    }
  } catch (error) {
    return ["ENOSPC", "EDQUOT", "EFBIG"].includes(String((error as NodeJS.ErrnoException).code));
  } finally {
    rmSync(probe, { force: true });
  }
}

/** Makes the reserve if it is not there; throws when there is no room. */
export function makeReserve(folder: string): void {
  const file = openSync(reserve(folder), "a+", 0o600);
  try {
    for (let size = fstatSync(file).size; size < RESERVE_BYTES; size = fstatSync(file).size) {
      writeSync(file, randomFillSync(Buffer.alloc(256 * 1024))); // random: a file system may compress
    }
    fsyncSync(file);
  } catch (error) {
    ftruncateSync(file, 0);
    throw error;
  } finally {
    closeSync(file);
  }
  syncFolder(folder);
}

/** Gives the reserve's room to whoever writes next. The file stays, as a sign that this has been a store. */
export function dropReserve(folder: string): void {
  const file = openSync(reserve(folder), "a", 0o600);
  ftruncateSync(file, 0);
  fsyncSync(file);
  closeSync(file);
}

/** Makes the names in a folder as durable as their files. */
export function syncFolder(folder: string): void {
  const handle = openSync(folder, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** The folder and those above it that are new, too. */
function syncUpTo(top: string, folder: string): void {
  syncFolder(folder);
  if (folder.length > top.length) syncUpTo(top, path.dirname(folder));
}

const META_AT = 24;
const MAGIC = 0xbeef_c0de;

/**
 * A file shorter than its pages ends the process with SIGBUS when they are read; so the end is filled with zeros, which
 * LMDB takes for a damaged page if it matters. It need not: pages that were freed at once may never have been written.
 */
function completeFile(folder: string): void {
  const file = openSync(data(folder), "r+");
  try {
    const wanted = bytesOfPages(folder, file);
    if (wanted > fstatSync(file).size) ftruncateSync(file, wanted);
  } finally {
    closeSync(file);
  }
}

/** How long data.mdb must be for its pages. Throws SaiError `config` when its first pages say nothing sensible. */
function bytesOfPages(folder: string, file: number): number {
  const page = Buffer.alloc(4096);
  let pageBytes = page.length;
  let most = 0;
  for (const number of [0, 1]) {
    const read = readSync(file, page, 0, page.length, number * pageBytes);
    if (read < 256 || page.readUInt32LE(META_AT) !== MAGIC) {
      throw damaged(folder, "data.mdb is no LMDB file, or its first pages are lost");
    }
    // MDB_meta: magic, version, address, map size, two databases of 48 bytes of which the first begins with the page
    // size, last page, transaction.
    pageBytes = page.readUInt32LE(META_AT + 24);
    const wanted = (page.readBigUInt64LE(META_AT + 24 + 96) + 1n) * BigInt(pageBytes);
    if (wanted > 2n ** 48n) throw damaged(folder, "data.mdb has a first page that makes no sense");
    most = Math.max(most, Number(wanted));
  }
  return most;
}

/**
 * What is in a folder, with nothing changed: no store yet, or one of so many bytes. Throws SaiError `config` when it
 * cannot be one.
 */
export function lookAtFolder(folder: string): { kind: "new" } | { kind: "store"; bytes: number } {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const foreign = names.filter((name) => !OURS.includes(name));
  const size = names.includes("data.mdb") ? statSync(data(folder)).size : 0;
  if (size === 0 && foreign.length > 0) throw noStore(folder, foreign);
  if (size === 0 && names.includes("reserve")) throw damaged(folder, "its file data.mdb is missing or empty");
  if (size === 0) return { kind: "new" };
  const file = openSync(data(folder), "r");
  try {
    // Reading a file that is shorter than its pages would end the process.
    if (bytesOfPages(folder, file) > fstatSync(file).size) throw damaged(folder, "data.mdb is cut off");
    return { kind: "store", bytes: size };
  } finally {
    closeSync(file);
  }
}

const noStore = (folder: string, foreign: string[]): SaiError =>
  new SaiError("config", `${folder} is no state store: it holds ${foreign.slice(0, 3).join(", ")}`, {
    hint: "name an empty or a new folder in store.path",
  });
