/** An attempt and its artifact store: what it waits for, what it gives up, and what becomes a record. */
import { renameSync, writeFileSync } from "node:fs";
import { mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openFolderStore } from "../../shared/artifacts/folder-store.js";
import { type ArtifactStore, casKey, putCas } from "../../shared/artifacts/store.js";
import type { Item } from "../../shared/benchmark/item.js";
import { manifestBytes } from "../../shared/datasets/manifest.js";
import { systemClock } from "../../shared/runtime/clock.js";
import { nodeDisk } from "../../shared/runtime/disk.js";
import { sha256 } from "../../shared/runtime/hash.js";
import { lineLogger } from "../../shared/runtime/logger.js";
import { systemRandom } from "../../shared/runtime/random.js";
import { jobSpec, modelSpec, never } from "../../test/support/inference.js";
import { until } from "../../test/support/until.js";
import { createEngines } from "../engines/index.js";
import type { Assignment } from "./assignment.js";
import type { AttemptOutcome } from "./attempts.js";
import { Inputs } from "./inputs.js";
import { LoadedModels } from "./loaded-models.js";
import { RequestSlots } from "./request-slots.js";
import { attemptRunner } from "./run-attempt.js";

let dir: string;
let artifacts: ArtifactStore;
let logs: string[];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "sai-attempt-"));
  artifacts = await openFolderStore(join(dir, "artifacts"), systemRandom);
  logs = [];
  fences = 0n;
});
afterEach(() => rm(dir, { recursive: true, force: true }));

let fences = 0n;

/** A file where the store's folder was: whatever is asked of it fails, as on a share that went away. */
function takeAway(): void {
  renameSync(join(dir, "artifacts"), join(dir, "away"));
  writeFileSync(join(dir, "artifacts"), "");
}
async function bringBack(): Promise<void> {
  await rm(join(dir, "artifacts"));
  await rename(join(dir, "away"), join(dir, "artifacts"));
}
const patient = () =>
  until("it says that it waits", () => logs.some((line) => line.includes("artifact store is away")));

const text = (n: number): Item => ({ id: `q${n}`, input: `question ${n}`, target: "a", media: [] });
const picture = (hash: string): Item => {
  const about = { mime: "image/png", bytes: 1, width: 1, height: 1 };
  return { ...text(1), media: [{ kind: "image", name: "p.png", sha256: hash, ...about }] };
};

/** Starts an attempt over the items with the simulated engine; `release` is called when its last sample has run. */
async function attempt(items: Item[], more: { deadlineMs?: number; released?(): void } = {}) {
  const manifestSha256 = await putCas(artifacts, manifestBytes(items));
  const job = jobSpec(modelSpec("simulated", "m"), items.length, {
    dataset: { id: "d", manifestSha256, items: items.length },
  });
  const planSha256 = await putCas(artifacts, Buffer.from(JSON.stringify({ jobs: [job] })));
  const log = lineLogger((line) => logs.push(line), "debug");
  const run = attemptRunner({
    nodeId: "n1",
    inputs: new Inputs(artifacts),
    ...{ artifacts, log, clock: systemClock, random: systemRandom },
    models: new LoadedModels(createEngines({}, { clock: systemClock }), 1, log),
    slots: new RequestSlots(),
    disk: nodeDisk,
    journalDir: join(dir, "journal"),
    journalSync: { ms: 1000, records: 64 },
  });
  const assignment: Assignment = {
    fence: { epoch: 1n, n: ++fences },
    shard: { campaign: "c", job: job.id, index: 0, first: 0, count: items.length },
    ...{ gate: 1n, planSha256, lane: "cpu", deadlineMs: more.deadlineMs ?? 60_000, attempt: 0 },
  };
  const hooks = { started() {}, progressed() {}, released: () => more.released?.() };
  return () => run(assignment, { uuid: "cpu", lane: "cpu", slots: 1 }, hooks, never());
}

/** The records that the result names. */
async function recordsOf(outcome: AttemptOutcome) {
  if (outcome.kind !== "result") throw new Error(`no result: ${inspect(outcome)}`);
  const { uri, inline } = outcome.result;
  const bytes = inline ?? (await artifacts.get(uri));
  return Buffer.from(bytes)
    .toString("utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { status: string; error?: { class: string } });
}

test("a store that is away when an attempt starts is waited for, not given up", async () => {
  const run = await attempt([text(1), text(2)]);
  takeAway();
  const ran = run();
  await patient();
  await bringBack();
  expect((await recordsOf(await ran)).map(({ status }) => status)).toEqual(["ok", "ok"]);
});

test("a store that is away when the records are to be stored is waited for", async () => {
  const run = await attempt([text(1), text(2)], { released: takeAway });
  const ran = run();
  await patient();
  await bringBack();
  expect(await recordsOf(await ran)).toHaveLength(2);
  expect(await readdir(join(dir, "journal"))).toEqual(["1.1.jsonl"]);
});

test("time that runs out while the store is away fails the attempt and leaves no journal", async () => {
  const run = await attempt([text(1), text(2)], { deadlineMs: 1500, released: takeAway });
  expect(await run()).toMatchObject({
    kind: "failed",
    failure: { class: "infra", message: "the attempt took longer than 1500 ms" },
  });
  expect(await readdir(join(dir, "journal"))).toEqual([]);
});

test("a picture that is not in the store is a record; the store being away is waited for", async () => {
  const blob = sha256("x");
  const lost = await attempt([picture(blob)]);
  const [record] = await recordsOf(await lost());
  expect(record).toMatchObject({ status: "engine_error", error: { class: "media_missing" } });

  await putCas(artifacts, Buffer.from("x"));
  // A folder in its place is there, and cannot be read.
  const path = join(dir, "artifacts", casKey(blob));
  await rename(path, `${path}.aside`);
  await rename(await mkdtemp(join(dir, "folder-")), path);
  const ran = (await attempt([picture(blob), text(2)]))();
  await patient();
  await rm(path, { recursive: true });
  await rename(`${path}.aside`, path);
  expect((await recordsOf(await ran)).map(({ status }) => status)).toEqual(["ok", "ok"]);
});

test("a damaged picture is no measurement: the attempt fails, and another may find it whole", async () => {
  const hash = await putCas(artifacts, Buffer.from("x"));
  await writeFile(join(dir, "artifacts", casKey(hash)), "y");
  const outcome = await (await attempt([picture(hash)]))();
  expect(outcome).toMatchObject({
    kind: "failed",
    failure: { class: "infra", message: expect.stringMatching(/has SHA-256 .* expected/) },
  });
});
