import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startLineProgram } from "./line-child.js";

/**
 * A benchmark: it starts a shell whose child ignores SIGTERM and writes files into a temporary folder as fast as it can,
 * says both ids, and waits, or does what `end` says.
 */
const benchmark = (data: string, end: string) => `
  import { spawn } from "node:child_process";
  import { mkdtempSync } from "node:fs";
  import { tmpdir } from "node:os";
  import { join } from "node:path";
  import { leaveNothing } from ${JSON.stringify(new URL("./leave-nothing.ts", import.meta.url).href)};
  leaveNothing(${JSON.stringify(data)});
  const folder = mkdtempSync(join(tmpdir(), "server-"));
  const deaf = "trap '' TERM; echo $$; i=0; while :; do i=$(((i+1)%50)); echo x > " + folder + "/$i; done";
  const shell = spawn("sh", ["-c", 'sh -c "$0" & wait', deaf], { stdio: ["ignore", "pipe", "inherit"] });
  shell.stdout.once("data", (pid) => {
    console.log(JSON.stringify([shell.pid, Number(pid)]));
    ${end}
  });
`;

let root: string;
let data: string;
/** What a benchmark said it started. */
let pids: number[];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "sai-leave-nothing-"));
  data = mkdtempSync(join(root, "data-"));
  pids = [];
});
afterEach(() => {
  for (const pid of pids.filter(runs)) process.kill(pid, "SIGKILL");
  rmSync(root, { recursive: true, force: true, maxRetries: 5 });
});

const start = (end: string) =>
  startLineProgram(process.execPath, ["--import", "tsx", "--input-type=module", "-e", benchmark(data, end)], {
    TMPDIR: root,
  });

const runs = (pid: number): boolean =>
  existsSync(`/proc/${pid}/stat`) && !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));

/** Its temporary folder and its data; others are caches of whatever ran it. */
const left = () => readdirSync(root).filter((name) => /^(sai-bench|data)-/.test(name));

test.each(["SIGINT", "SIGTERM"] as const)("%s leaves neither processes nor folders", async (signal) => {
  const child = start("");
  pids = (await child.next()) as number[];
  expect(left()).toHaveLength(2);
  expect(pids.every(runs)).toBe(true);
  process.kill(child.pid, signal);
  await expect(child.next()).rejects.toThrow("ended");
  await child.end();
  expect(pids.filter(runs)).toEqual([]);
  expect(left()).toEqual([]);
});

test.each([
  ["throws", 'throw new Error("it fails");'],
  ["exits before its own cleaning", "process.exit(1);"],
])("one that %s leaves neither processes nor folders", async (_, end) => {
  const child = start(end);
  pids = (await child.next()) as number[];
  await child.end();
  expect(pids.filter(runs)).toEqual([]);
  expect(left()).toEqual([]);
});
