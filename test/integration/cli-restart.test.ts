/** Commands that follow a campaign, over the sudden death of the coordinator (SIGKILL) and its restart. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { captureIo } from "../../cli/cli.test-support.js";
import type { Event } from "../../cli/client.js";
import { runCli } from "../../cli/program.js";
import { connectApi } from "../support/api.js";
import { freePort, stopProcess } from "../support/child.js";
import { suiteOf } from "../support/suites.js";
import { until } from "../support/until.js";

const MAIN = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
const START_MS = 60_000;
let folder: string;
let ports: { api: number; agents: number; http: number };
let coordinator: ChildProcess;
let agent: ChildProcess;
const said: string[] = [];

function start(...args: string[]): ChildProcess {
  const env = { ...process.env, SAI_ARTIFACTS_DIR: join(folder, "artifacts"), SAI_LOG_LEVEL: "warn" };
  const child = spawn(process.execPath, ["--import", import.meta.resolve("tsx"), MAIN, ...args], {
    cwd: folder,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (data) => said.push(`${data}`));
  return child;
}

async function startCoordinator(): Promise<void> {
  const at = [
    "--grpc-port",
    `${ports.api}`,
    "--agent-port",
    `${ports.agents}`,
    "--http-port",
    `${ports.http}`,
  ];
  coordinator = start("coordinator", ...at, "--data-dir", join(folder, "coordinator"));
  const ready = async () => {
    if (coordinator.exitCode !== null) throw new Error(`the coordinator ended: ${said.join("")}`);
    return (await fetch(`http://127.0.0.1:${ports.http}/readyz`).catch(() => undefined))?.ok;
  };
  await until("the coordinator is ready", ready, START_MS);
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sai-restart-"));
  ports = { api: await freePort(), agents: await freePort(), http: await freePort() };
  await startCoordinator();
  const dir = ["--data-dir", join(folder, "agent"), "--id", "n1", "--cpu-slots", "1"];
  agent = start("agent", "--coordinator", `127.0.0.1:${ports.agents}`, ...dir);
}, START_MS);
afterAll(async () => {
  await Promise.all([agent, coordinator].map((child) => child && stopProcess(child)));
  rmSync(folder, { recursive: true, force: true });
});

/** Starts a command; its output so far and its end. */
function sai(...args: string[]) {
  const { io, out, err } = captureIo({ cwd: folder, env: { SAI_ADDRESS: `127.0.0.1:${ports.api}` } });
  return { out, err, code: runCli(args, io) };
}

const eventsIn = (lines: string): Event[] =>
  lines
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Event);

test("apply --wait, watch and events --follow go on where they were, say so, and end well", async () => {
  const api = connectApi(`127.0.0.1:${ports.api}`);
  await until("n1 is ready", async () => (await api.listNodes())[0]?.state === "ready", START_MS);
  const suite = join(folder, "suite.json");
  writeFileSync(suite, suiteOf({ items: 24, shardSize: 2, options: { latency_ms: 150 } }));
  const applied = sai("apply", "-f", suite, "--wait", "--progress", "plain");
  const id = await until(
    "it is submitted",
    () => /campaign (\S+) submitted/.exec(applied.err())?.[1],
    START_MS,
  );
  const watched = sai("campaign", "watch", id, "-o", "jsonl");
  const followed = sai("campaign", "events", id, "--follow", "-o", "jsonl");
  await until("shards have committed", async () => ((await api.get(id)).progress?.shardsDone ?? 0) >= 2);
  await until("both follow", () => watched.out() !== "" && followed.out().includes("campaign.running"));

  const gone = new Promise((resolve) => coordinator.once("exit", resolve));
  coordinator.kill("SIGKILL");
  await gone;
  for (const { err } of [applied, watched, followed])
    await until("it is noticed", () => err().includes("the coordinator does not answer; still"), START_MS);
  await startCoordinator();

  expect(await Promise.all([applied.code, watched.code, followed.code])).toEqual([0, 0, 0]);
  expect(applied.err()).toContain(`still waiting for ${id}\nthe coordinator answers again\n`);
  expect(applied.err()).toContain("(24/24 samples)");
  expect(applied.out()).toContain("exact_match");
  const states = watched.out().trimEnd().split("\n");
  expect(JSON.parse(states.at(-1) ?? "")).toMatchObject({ id, state: "CAMPAIGN_STATE_SUCCEEDED" });
  const events = eventsIn(followed.out());
  expect(followed.err()).toContain("the coordinator has restarted");
  expect(followed.err()).not.toContain("events were missed");
  expect(new Set(events.map(({ epoch }) => epoch)).size).toBe(2);
  // Nothing of the new epoch is taken for known because the old one had counted further.
  const second = events.filter(({ epoch }) => epoch === events.at(-1)?.epoch);
  const kept = sai("campaign", "events", id, "-o", "jsonl");
  expect(await kept.code).toBe(0);
  expect(eventsIn(kept.out())).toEqual(second);
  expect(events.at(-1)?.kind).toBe("campaign.succeeded");
  api.close();
}, 180_000);

test("a restarted coordinator shows the earlier campaigns, and a second one on its folder is refused with exit 78", async () => {
  const list = sai("campaign", "list", "-o", "name");
  expect(await list.code).toBe(0);
  expect(list.out().trim().split("\n")).toHaveLength(1);
  const free = ["--grpc-port", "0", "--agent-port", "0", "--http-port", "0"];
  const second = start("coordinator", ...free, "--data-dir", join(folder, "coordinator"));
  let text = "";
  second.stderr?.on("data", (data) => {
    text += data;
  });
  const code = await new Promise((resolve) => second.once("close", resolve));
  expect(text).toMatch(/^error: .*coordinator/m);
  expect(text).toMatch(/^hint: /m);
  expect(code).toBe(78);
});
