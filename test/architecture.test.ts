/**
 * Who may import whom, and which globals a folder may touch. MAY_IMPORT is the project's diagram: a folder's row names
 * all it may reach beside itself; the longest matching row counts. Tests are free, production code may not import them.
 */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { scan } from "./architecture/scan.js";

/** `npm` is any package, `node:` any module of Node; a single package or file is named as such. */
const PURE = ["shared/domain", "shared/benchmark"];
const LOW = [...PURE, "shared/runtime", "npm", "node:"];
/** What the coordinator's use cases share. */
const MIDDLE = [
  ...[...LOW, "shared/artifacts", "shared/datasets", "shared/suites"],
  ...coordinator("events.ts metrics.ts"),
];
const WIRE = ["shared/gen", "shared/rpc"];
const MAY_IMPORT: { [folder: string]: string[] } = {
  "shared/domain": ["shared/benchmark", "re2js", "ajv", "liquidjs"],
  "shared/benchmark": ["shared/domain", "re2js", "ajv", "liquidjs"],
  "shared/gen": ["npm"],
  "shared/runtime": [...PURE, "npm", "node:"],
  "shared/rpc": [...LOW, "shared/gen"],
  "shared/artifacts": LOW,
  "shared/datasets": LOW,
  "shared/suites": [...LOW, "shared/datasets"],

  "coordinator/scheduler": PURE,
  "coordinator/report": PURE,
  "coordinator/store": LOW,
  "coordinator/results": [...MIDDLE, ...coordinator("store report campaigns/board")],
  "coordinator/index": [...MIDDLE, ...coordinator("store results campaigns/board")],
  "coordinator/campaigns": [...MIDDLE, ...coordinator("store scheduler results/results-index.ts")],
  "coordinator/sessions": [...MIDDLE, ...WIRE, ...coordinator("store scheduler campaigns results")],
  "coordinator/api": [
    ...[...MIDDLE, ...WIRE],
    ...coordinator("store campaigns results index sessions report scheduler"),
  ],
  coordinator: [...MIDDLE, "shared/rpc"],

  "agent/hardware": LOW,
  "agent/leases": [...LOW, ...agent("hardware")],
  "agent/artifacts": [...LOW, "shared/artifacts"],
  "agent/processes": LOW,
  "agent/engines": [...LOW, ...agent("processes hardware/command.ts")],
  "agent/load": [...LOW, ...agent("processes")],
  "agent/attempt": [...LOW, "shared/artifacts", "shared/datasets", ...agent("engines leases artifacts load")],
  "agent/session": [...LOW, ...WIRE, ...agent("attempt leases artifacts engines hardware")],
  agent: [...LOW, "shared/artifacts", "shared/rpc"],

  "cli/client": [...LOW, "shared/gen", "shared/rpc", "cli/every-page.ts"],
  cli: [
    ...LOW,
    "shared/rpc",
    "shared/suites",
    "shared/datasets",
    "coordinator/coordinator.ts",
    "agent/agent.ts",
    // `sai doctor` sees the machine with an agent's eyes, and tries the artifact store.
    "agent/hardware",
    // `sai engine install` makes, and `sai doctor` looks at, what an agent's worker runs in.
    "agent/engines/huggingface/environment.ts",
    "shared/artifacts",
  ],
  examples: ["npm", "node:"],
};

/** Modules and packages that only some may import, whatever their row says. */
const ONLY_IN: { [target: string]: string[] } = {
  etcd3: ["coordinator/store"],
  "node:child_process": [
    "agent/engines/ocr",
    "agent/processes",
    "agent/hardware",
    // A share that hangs must hold up nothing but a process; coordinators and agents both have one.
    "shared/artifacts/nfs",
  ],
  pg: ["coordinator/index"],
  "pg-copy-streams": ["coordinator/index"],
  "@electric-sql/pglite": ["coordinator/index"],
  "node:cluster": [],
};
/** What an agent's file that a simulation drives gets from others: the disk, time, threads, the network. */
const NOT_DRIVEN = /^node:(fs|timers|worker_threads|net|http|dns|perf_hooks)$/;

const isPure = (file: string) =>
  under(file, ["shared/domain", "shared/benchmark", "coordinator/scheduler", "coordinator/report"]) ||
  file.endsWith("-state.ts");
/** Shells that a simulation can drive: time, randomness, timers and the transport are handed to them. */
const isDriven = (file: string) =>
  under(file, [...coordinator("campaigns sessions"), ...agent("session attempt leases artifacts core.ts")]) &&
  !/\/transport\.ts$/.test(file);
const isMain = (file: string) => file.endsWith("/main.ts");

/** Names and who may use them. */
const MAY_USE: { names: string; where: (file: string) => boolean; why: string }[] = [
  {
    names: "Date performance Math.random setTimeout setInterval setImmediate AbortSignal.timeout",
    where: (file) => !isPure(file) && !isDriven(file),
    why: "time and randomness are passed in (shared/runtime/clock.ts, random.ts)",
  },
  {
    names: "process Buffer fetch crypto console globalThis queueMicrotask WebSocket",
    where: (file) => !isPure(file),
    why: "pure folders know neither Node nor the network",
  },
  {
    names: "process.env process.argv process.exit process.exitCode process.on process.once",
    where: isMain,
    why: "only main.ts files meet the process; others get what they need as arguments",
  },
  {
    names: "process.kill",
    where: (file) => isMain(file) || under(file, ["agent/processes"]),
    why: "programs that an agent started are ended by agent/processes, and nothing else is ended",
  },
  {
    names: ".txn",
    where: (file) => under(file, ["coordinator/store"]),
    why: "writes go through the fenced store, which adds the leader's compare",
  },
];

/** Everything wrong with one file, as `file:line: …`. */
function faultsOf(file: string, text: string): string[] {
  const { imports, uses } = scan(file, text);
  const faults: string[] = [];
  const row = Object.keys(MAY_IMPORT)
    .filter((folder) => under(file, [folder]))
    .sort((a, b) => b.length - a.length)[0];
  if (row === undefined) return [`${file}:1: its folder has no row in MAY_IMPORT`];
  const allowed = isPure(file) ? [...PURE, "re2js", "ajv", "liquidjs"] : (MAY_IMPORT[row] ?? []);

  for (const { target, line } of imports) {
    const only = ONLY_IN[target];
    if (only && !under(file, only))
      faults.push(`${file}:${line}: only ${only.join(", ")} may import ${target}`);
    else if (isDriven(file) && under(file, ["agent"]) && NOT_DRIVEN.test(target))
      faults.push(
        `${file}:${line}: a simulation drives it: ${target} is handed to it (shared/runtime/disk.ts)`,
      );
    else if (!mayImport(file, row, allowed, target))
      faults.push(`${file}:${line}: ${row} may not import ${target}`);
  }
  for (const { name, line } of uses) {
    const rule = MAY_USE.find((rule) => rule.names.split(" ").includes(name) && !rule.where(file));
    if (rule) faults.push(`${file}:${line}: may not use ${name}: ${rule.why}`);
  }
  return faults;
}

function mayImport(file: string, row: string, allowed: string[], target: string): boolean {
  if (target.startsWith("node:")) return allowed.includes("node:");
  if (/\.test(-support)?\.ts$/.test(target)) return false;
  if (!/^(shared|coordinator|agent|cli|console|examples|bench|test|scripts)\//.test(target)) {
    return allowed.includes("npm") || allowed.includes(target);
  }
  if (isPure(file) && file.endsWith("-state.ts")) return isPure(target);
  // A composition root (coordinator/coordinator.ts) may reach every room of its own program; a room only its row.
  return under(target, allowed) || under(target, [row]);
}

function under(file: string, folders: string[]): boolean {
  return folders.some((folder) => file === folder || file.startsWith(`${folder}/`) || isFileOf(file, folder));
}

/** `cli/client` also stands for cli/client.ts and cli/client-something.ts. */
function isFileOf(file: string, folder: string): boolean {
  return folder.includes("/") && new RegExp(`^${folder}(-[a-z-]+)?\\.ts$`).test(file);
}

function coordinator(rooms: string): string[] {
  return rooms.split(" ").map((room) => `coordinator/${room}`);
}

function agent(rooms: string): string[] {
  return rooms.split(" ").map((room) => `agent/${room}`);
}

const root = fileURLToPath(new URL("..", import.meta.url));
const files = Object.keys(MAY_IMPORT)
  .map((folder) => folder.split("/")[0] ?? folder)
  .filter((folder, i, all) => all.indexOf(folder) === i)
  .flatMap((folder) => list(folder))
  .filter((file) => !/\.test(-support)?\.ts$/.test(file));

function list(folder: string): string[] {
  try {
    return readdirSync(`${root}${folder}`, { recursive: true, encoding: "utf8" })
      .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
      .filter((file) => file.endsWith(".ts"));
  } catch {
    return [];
  }
}

describe("architecture", () => {
  test("every file keeps to MAY_IMPORT and MAY_USE", () => {
    expect(files.length).toBeGreaterThan(15);
    const faults = files.flatMap((file) => faultsOf(file, readFileSync(root + file, "utf8")));
    expect(faults.join("\n")).toBe("");
  });

  test.each([
    ["shared/domain/ids.ts", 'import { readFileSync } from "node:fs";'],
    ["shared/domain/ids.ts", 'import { sha256 } from "../runtime/hash.js";'],
    ["shared/benchmark/x/y.ts", 'import type { Campaign } from "../../gen/sai/v1/campaign.js";'],
    ["shared/benchmark/score.ts", 'import sharp from "sharp";'],
    ["shared/benchmark/score.ts", 'export { x } from "../../coordinator/store/store.js";'],
    ["coordinator/scheduler/rank.ts", 'const m = await import("../store/keys.js");'],
    ["coordinator/report/html.ts", 'type S = import("../../shared/gen/sai/v1/result.js").Summary;'],
    ["coordinator/campaigns/campaign-state.ts", 'import { pino } from "pino";'],
    ["coordinator/campaigns/submit.ts", 'import { Campaign } from "../../shared/gen/sai/v1/campaign.js";'],
    ["coordinator/campaigns/submit.ts", 'import { start } from "../api/server.js";'],
    ["coordinator/api/http.ts", 'import { startAgent } from "../../agent/agent.js";'],
    ["agent/engines/ocr.ts", 'import { store } from "../../coordinator/store/store.js";'],
    ["agent/attempt/runner.ts", 'import { spawn } from "node:child_process";'],
    ["cli/commands/dev.ts", 'import { submit } from "../../coordinator/campaigns/submit.js";'],
    ["cli/commands/dev.ts", 'import { Campaign } from "../../shared/gen/sai/v1/campaign.js";'],
    ["coordinator/sessions/s.ts", 'import { Etcd3 } from "etcd3";'],
    ["agent/agent.ts", 'import { server } from "../test/support/scripted-server.js";'],
    ["elsewhere/file.ts", "export const x = 1;"],
    ["shared/domain/shard.ts", "export const now = () => Date.now();"],
    ["shared/benchmark/bootstrap.ts", "const r = Math.random;"],
    ["coordinator/scheduler/plan.ts", "setTimeout(() => {}, 1);"],
    ["coordinator/sessions/hello.ts", "const s = AbortSignal.timeout(5);"],
    ["agent/attempt/attempt-state.ts", "const t = performance.now();"],
    ["agent/attempt/runner.ts", "const t0 = new Date();"],
    ["agent/core.ts", "setImmediate(() => {});"],
    ["agent/attempt/journal.ts", 'import { open } from "node:fs/promises";'],
    ["shared/benchmark/identity.ts", 'crypto.subtle.digest("SHA-256", b);'],
    ["shared/runtime/config.ts", 'const e = process.env["SAI_ENV"];'],
    ["cli/exit.ts", "process.exit(1);"],
    ["coordinator/campaigns/submit.ts", "await store.txn(ops);"],
  ])("finds what is planted in %s: %s", (file, text) => {
    expect(faultsOf(file, text)).toHaveLength(1);
  });

  test.each([
    [
      "shared/domain/shard.ts",
      'import { RE2JS } from "re2js";\nimport type { Json } from "../benchmark/json.js";',
    ],
    [
      "shared/domain/shard.ts",
      '// Date.now() and import "node:fs" in words\nconst text = "Math.random() Date";',
    ],
    ["shared/benchmark/x.ts", "export const f = (row: { Date: string }) => row.Date;"],
    ["coordinator/campaigns/submit-state.ts", 'import type { S } from "../../shared/domain/campaign.js";'],
    ["coordinator/coordinator.ts", 'import { x } from "./api/server.js";\nsetInterval(x, 1);'],
    ["coordinator/store/fenced-store.ts", "await inner.txn(ops);"],
    ["agent/main.ts", 'process.on("SIGTERM", stop);\nprocess.exit(await run(process.argv, process.env));'],
    ["agent/engines/ocr/child.ts", 'import { fork } from "node:child_process";'],
    ["cli/client.ts", 'import { Campaign } from "../shared/gen/sai/v1/campaign.js";'],
    ["cli/commands/dev.ts", 'import { startAgent } from "../../agent/agent.js";'],
  ])("leaves %s alone: %s", (file, text) => {
    expect(faultsOf(file, text)).toEqual([]);
  });
});
