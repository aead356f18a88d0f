/** Getting the peers: pinned versions from their registries' own clients, into a scratch folder, once. */
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { sha256 } from "../../shared/runtime/hash.js";
import { output } from "../../test/support/outside.js";
import { compiled } from "../support/compiled.js";

export const programs = fileURLToPath(new URL("./programs", import.meta.url));
/** Where compiled modules are that programs import. */
export const support = new URL(".", compiled(new URL("./loop.ts", import.meta.url))).href.replace(/\/$/, "");

/** A folder for just this; other versions have another. */
const folderOf = (scratch: string, name: string, packages: string[]): string =>
  join(scratch, `${name}-${sha256(packages.join(" ")).slice(0, 8)}`);

/** Makes `folder` with `make` unless it is there; one that was begun and not finished does not count. */
async function once(folder: string, make: (folder: string) => Promise<void>): Promise<string> {
  if (existsSync(folder)) return folder;
  const making = `${folder}.making`;
  rmSync(making, { recursive: true, force: true });
  mkdirSync(making, { recursive: true });
  await make(making);
  renameSync(making, folder);
  return folder;
}

/** A folder with these npm packages and the programs beside them. */
export async function npmPackages(scratch: string, name: string, packages: string[]): Promise<string> {
  const folder = await once(folderOf(scratch, name, packages), async (making) => {
    writeFileSync(join(making, "package.json"), '{"private":true}');
    const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    await output("npm", ["install", ...flags, ...packages], { cwd: making });
  });
  for (const file of readdirSync(programs))
    if (file.endsWith(".mjs")) cpSync(join(programs, file), join(folder, file));
  return folder;
}

/** The interpreter of a virtual environment with these packages. */
export async function pythonPackages(scratch: string, name: string, packages: string[]): Promise<string> {
  const folder = folderOf(scratch, name, packages);
  const python = join(folder, "bin/python");
  // Not moved: its scripts name their own folder.
  if (existsSync(join(folder, "complete"))) return python;
  rmSync(folder, { recursive: true, force: true });
  await output("python3", ["-m", "venv", folder]);
  await output(python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...packages]);
  writeFileSync(join(folder, "complete"), "");
  return python;
}

/** The root of a tree with the files of these Debian packages, which are unpacked and not installed. */
export async function debianTree(scratch: string, name: string, packages: string[]): Promise<string> {
  return once(folderOf(scratch, name, packages), async (making) => {
    const download = () => output("apt-get", ["download", "-q", ...packages], { cwd: making });
    await download().catch(async () => {
      await output("apt-get", ["update", "-q"]);
      await download();
    });
    for (const file of readdirSync(making).filter((path) => path.endsWith(".deb")))
      await output("dpkg", ["-x", file, "."], { cwd: making });
  });
}

/** Where a tree of Debian's has its libraries, for LD_LIBRARY_PATH. */
export const librariesOf = (root: string): string =>
  readdirSync(join(root, "usr/lib"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && /-linux-gnu/.test(entry.name))
    .map((entry) => join(root, "usr/lib", entry.name))
    .join(":");
