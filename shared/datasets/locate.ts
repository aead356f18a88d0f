/**
 * Where the paths of a suite lead.
 *
 * On a user's own machine they are relative to `--root`; without it, to the nearest folder at or above the suite file
 * where the path exists. On a coordinator they must stay below one folder after every link is followed, because there
 * the suite comes from somebody else. Paths inside a dataset file may also be relative to that file.
 */
import { realpath } from "node:fs/promises";
import { dirname, isAbsolute, relative, resolve, sep } from "node:path";

export type FilePlace =
  /** The user's own files. `suiteFile` is used when `root` is absent; without both: the current folder. */
  | { kind: "local"; root?: string; suiteFile?: string }
  /** Only below `dir`. */
  | { kind: "within"; dir: string };

export type Located =
  | { ok: true; path: string }
  | { ok: false; reason: "absent" | "escapes"; message: string };

/** Finds a file or folder; the answer is its real path. `near` is a folder to try last, such as the dataset file's. */
export async function locate(place: FilePlace, path: string, near?: string): Promise<Located> {
  if (path.includes("\0"))
    return { ok: false, reason: "absent", message: "a path cannot hold a NUL character" };
  const fence = place.kind === "within" ? await realOrUndefined(place.dir) : undefined;
  if (place.kind === "within" && fence === undefined) return absent(place, path);
  let escaped = false;
  for (const folder of [...startingFolders(place, fence), ...(near === undefined ? [] : [near])]) {
    const target = resolve(folder, path);
    const real = await realOrUndefined(target);
    const inside =
      fence === undefined || (isBelow(fence, target) && (real === undefined || isBelow(fence, real)));
    if (inside && real !== undefined) return { ok: true, path: real };
    escaped ||= !inside;
  }
  if (!escaped) return absent(place, path);
  return { ok: false, reason: "escapes", message: `${path} leads out of the datasets folder` };
}

function startingFolders(place: FilePlace, fence: string | undefined): string[] {
  if (place.kind === "within") return fence === undefined ? [] : [fence];
  if (place.root !== undefined) return [place.root];
  if (place.suiteFile === undefined) return ["."];
  const folders: string[] = [];
  for (let folder = dirname(resolve(place.suiteFile)); ; folder = dirname(folder)) {
    folders.push(folder);
    if (folder === dirname(folder)) return folders;
  }
}

function absent(place: FilePlace, path: string): Located {
  let where = "";
  if (place.kind === "within") where = " below the coordinator's datasets folder";
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
