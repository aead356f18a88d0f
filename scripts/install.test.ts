import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";

let folder: string;
let project: string;
let called: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sai-install-"));
  project = join(folder, "project");
  called = join(folder, "called");
  mkdirSync(join(project, "scripts"), { recursive: true });
  for (const file of ["package.json", "package-lock.json"]) writeFileSync(join(project, file), "{}");
  copyFileSync(fileURLToPath(new URL("install.mjs", import.meta.url)), join(project, "scripts/install.mjs"));
  // In npm's place: what it would do to node_modules is what matters here, and that it needs no network.
  const npm = `
    const { mkdirSync, readdirSync, rmSync, writeFileSync } = require("node:fs");
    writeFileSync(${JSON.stringify(called)}, "");
    mkdirSync("node_modules", { recursive: true });
    for (const name of readdirSync("node_modules")) rmSync("node_modules/" + name, { recursive: true });`;
  writeFileSync(join(folder, "npm.cjs"), npm);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const install = () =>
  spawnSync(process.execPath, [join(project, "scripts/install.mjs")], {
    encoding: "utf8",
    env: { ...process.env, npm_execpath: join(folder, "npm.cjs") },
  });

test("a node_modules that is a link is refused, and what it points to is left alone", () => {
  const others = join(folder, "others");
  mkdirSync(others);
  writeFileSync(join(others, "package"), "");
  symlinkSync(others, join(project, "node_modules"));
  const { status, stderr } = install();
  expect(stderr).toMatch(
    /^error: .*node_modules is a link to .*others, and not what package-lock\.json says$/m,
  );
  expect(stderr).toMatch(/^hint: {2}remove the link/m);
  expect(status).toBe(78);
  expect(readdirSync(others)).toEqual(["package"]);
  expect(existsSync(called)).toBe(false);
});

test("so is one that points to nothing", () => {
  symlinkSync(join(folder, "gone"), join(project, "node_modules"));
  const { status, stderr } = install();
  expect(stderr).toContain("is a link to a folder that is not there");
  expect(status).toBe(78);
  expect(existsSync(called)).toBe(false);
});

test("a folder of its own is installed once", () => {
  expect(install()).toMatchObject({ status: 0, stderr: "installing packages (npm ci) …\n" });
  expect(existsSync(called)).toBe(true);
  expect(install()).toMatchObject({ status: 0, stderr: "" });
});
