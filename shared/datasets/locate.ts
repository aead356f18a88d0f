/**
 * Where the paths of a suite lead.
 *
 * With `--root` they are relative to it and must stay below it after every link is followed; so must they on a
 * coordinator, below its datasets folder, because there the suite comes from somebody else. Without `--root` they are
 * relative to the nearest folder at or above the suite file where the path exists, and what lies outside of that folder
 * is found but marked, so that nobody uploads a file of their machine unawares. Paths inside a dataset file may also be
 * relative to that file.
 */
import { realpath } from "node:fs/promises";
import { dirname, isAbsolute, relative, resolve, sep } from "node:path";

export type FilePlace =
  /** The user's own files. `suiteFile` is used when `root` is absent; without both: the current folder. */
  | { kind: "local"; root?: string; suiteFile?: string }
  /** Only below `dir`. */
  | { kind: "within"; dir: string };

export type Located =
  /** `base`: the folder it was found from; `outside`: it lies elsewhere. Both are real paths. */
  | { ok: true; path: string; base: string; outside: boolean }
  | { ok: false; reason: "absent" | "escapes"; message: string };

/** Where a dataset lies: pictures named in it may be relative to its `folder` and lie below that or `base`. */
export interface Near {
  folder: string;
  base: string;
}

/** Finds a file or folder; the answer is its real path. `near` is tried last. */
export async function locate(place: FilePlace, path: string, near?: Near): Promise<Located> {
  if (path.includes("\0"))
    return { ok: false, reason: "absent", message: "a path cannot hold a NUL character" };
  const dir = place.kind === "within" ? place.dir : place.root;
  if (dir !== undefined) return locateBelow(place, dir, path, near);
  for (const folder of ancestors(place)) {
    const real = await realOrUndefined(resolve(folder, path));
    if (real !== undefined) {
      const base = (await realOrUndefined(folder)) ?? folder;
      // A file found from the root of the file system is anybody's.
      const home = folder !== dirname(folder) && isBelow(base, real);
      return { ok: true, path: real, base, outside: !home && !isNear(near, real) };
    }
  }
  const real = near && (await realOrUndefined(resolve(near.folder, path)));
  if (real === undefined) return absent(place, path);
  return { ok: true, path: real, base: near?.base ?? "", outside: !isNear(near, real) };
}

async function locateBelow(
  place: FilePlace,
  dir: string,
  path: string,
  near: Near | undefined,
): Promise<Located> {
  const fence = await realOrUndefined(dir);
  if (fence === undefined) return absent(place, path);
  const folders = [fence, ...(near === undefined ? [] : [near.folder])];
  let ways = 0;
  let escaped = false;
  for (const folder of folders) {
    const target = resolve(folder, path);
    const direct = isBelow(fence, target) || (place.kind === "local" && isBelow(resolve(dir), target));
    if (direct) ways++;
    // On a coordinator not even the way may lead through elsewhere: it would tell what is there.
    else if (place.kind === "within") continue;
    const real = await realOrUndefined(target);
    if (real === undefined) continue;
    if (isBelow(fence, real)) return { ok: true, path: real, base: fence, outside: false };
    escaped = true;
  }
  if (!escaped && ways > 0) return absent(place, path);
  const from = place.kind === "within" ? "the datasets folder" : dir;
  return { ok: false, reason: "escapes", message: `${path} leads out of ${from}` };
}

/** What to do about a path that escapes. */
export const escapeHint = (place: FilePlace): string =>
  place.kind === "within"
    ? "paths stay below the datasets folder"
    : "paths stay below --root; copy what they name into it, or give a folder that holds all of it";

/** What to say about a path that lies outside, after its name. */
export const outsideHint = "give --root to refuse paths that lead elsewhere";

/** The suite's folder and all above it. */
function ancestors(place: FilePlace): string[] {
  const suiteFile = place.kind === "local" ? place.suiteFile : undefined;
  if (suiteFile === undefined) return [resolve(".")];
  const folders: string[] = [];
  for (let folder = dirname(resolve(suiteFile)); ; folder = dirname(folder)) {
    folders.push(folder);
    if (folder === dirname(folder)) return folders;
  }
}

const isNear = (near: Near | undefined, real: string): boolean =>
  near !== undefined && (isBelow(near.folder, real) || (near.base !== sep && isBelow(near.base, real)));

function absent(place: FilePlace, path: string): Located {
  let where = "";
  if (place.kind === "within") where = " below the coordinator's datasets folder (storage.datasets_dir)";
  else if (place.root !== undefined) where = ` below ${place.root}`;
  else if (place.suiteFile !== undefined) where = ` in the suite's folder or any above it`;
  return { ok: false, reason: "absent", message: `${path} is not there${where}` };
}

async function realOrUndefined(path: string): Promise<string | undefined> {
  try {
    return await realpath(path);
  } catch {
    return undefined;
  }
}

function isBelow(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way === "" || (way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}
