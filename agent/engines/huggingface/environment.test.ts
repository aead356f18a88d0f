/** The installer's care with folders; that it installs is shown by `npm run test:hf`. */
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../../shared/runtime/clock.js";
import { sha256 } from "../../../shared/runtime/hash.js";
import { installEnvironment, LOCK } from "./environment.js";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "sai-hf-environment-"));
});
afterEach(() => rm(dir, { recursive: true }));

const install = (folder: string, basePython: string) =>
  installEnvironment(join(dir, folder, "bin/python"), basePython, {
    ...{ clock: systemClock, env: process.env, signal: new AbortController().signal, say: () => {} },
  });

test("an environment of somebody else is never touched", async () => {
  await mkdir(join(dir, "own"));
  await writeFile(join(dir, "own", "pyvenv.cfg"), "home = /usr/bin");
  await expect(install("own", "/bin/true")).rejects.toThrow("was not made by this command");
  expect(await readdir(join(dir, "own"))).toEqual(["pyvenv.cfg"]);
});

/** STAND-IN for a Python: tells `version`, and does with other arguments what a line of shell says. */
async function standIn(version: string, otherwise: string): Promise<string> {
  const path = join(dir, `python-${version}`);
  const seen = JSON.stringify({ python: version, paths: [], packages: {} });
  const script = `#!/bin/sh\ncase "$*" in *" -c "*) echo '${seen}' ;; *) ${otherwise} ;; esac\n`;
  await writeFile(path, script, { mode: 0o755 });
  return path;
}

test.each([
  ["is not there", async () => "/nowhere/python", "/nowhere/python is not there"],
  ["is none", async () => "/bin/false", "/bin/false ended with exit code 1"],
  ["is too old", () => standIn("3.10.4", "exit 0"), "is Python 3.10.4"],
])("a Python that %s is refused before anything is made of it", async (_, pythonOf, why) => {
  const refused = install("new", await pythonOf());
  await expect(refused).rejects.toMatchObject({
    message: expect.stringContaining(why),
    hint: expect.stringContaining("--python names one"),
  });
  expect(await readdir(dir)).not.toContain("new");
});

test("a Python without venv is told of in its own words, which it says on standard output", async () => {
  const python = await standIn("3.12.1", "echo ensurepip is not available; exit 1");
  await expect(install("new", python)).rejects.toMatchObject({
    message: expect.stringContaining("ensurepip is not available"),
    hint: expect.stringContaining("apt install python3-venv"),
  });
});

test("one that was not finished is made anew, one of this lock is left alone while its interpreter is there", async () => {
  const makes = await standIn("3.12.1", 'mkdir -p "$3/bin"; cp /bin/true "$3/bin/python"');
  expect(await install("new", makes)).toBe(true);
  expect(await install("new", "/bin/false")).toBe(false);
  const stamp = join(dir, "new", "sai-requirements.sha256");
  expect((await readFile(stamp, "utf8")).trim()).toBe(sha256(await readFile(LOCK, "utf8")));
  await rm(join(dir, "new", "bin/python"));
  await symlink("/nowhere/python3", join(dir, "new", "bin/python"));
  expect(await install("new", makes)).toBe(true);
  await writeFile(stamp, "not finished");
  expect(await install("new", makes)).toBe(true);
});

test("what is installed is locked, with hashes, and names no server", async () => {
  const lock = await readFile(LOCK, "utf8");
  const names = [...lock.matchAll(/^([a-z0-9-]+)==\S+.*\\\n {4}--hash=sha256:/gim)];
  expect(names.length).toBe([...lock.matchAll(/^[a-z0-9]/gim)].length);
  expect(names.length).toBeGreaterThan(40);
  expect(lock).not.toMatch(/https?:\/\/|--index-url|--find-links/);
});
