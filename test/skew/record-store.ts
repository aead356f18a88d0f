/**
 * Records what a state store and its artifacts look like when a coordinator of this version has worked on them, as JSON
 * on stdout: ended campaigns, others in the midst, nodes, idempotency keys. Run in a checkout of the version to record:
 *
 *   git worktree add /tmp/before COMMIT && cp test/skew/record-store.ts /tmp/before/test/skew/
 *   cd /tmp/before && npm ci && npx tsx test/skew/record-store.ts COMMIT > …/test/skew/store-NAME.json
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openEmbeddedStore } from "../../coordinator/store/embedded/embedded-store.js";
import { systemClock } from "../../shared/runtime/clock.js";
import { silentLogger } from "../../shared/runtime/logger.js";
import { systemRandom } from "../../shared/runtime/random.js";
import { ask } from "../support/api.js";
import { startFleet } from "../support/fleet.js";
import { suiteOf } from "../support/suites.js";
import { until } from "../support/until.js";

type Name = "succeeded" | "poisoned" | "oom" | "paused" | "running" | "split";

/** The whole of it; also what the test reads. */
export interface Recorded {
  commit: string;
  /** The store's revision. */
  rev: string;
  kvs: { key: string; value: string; createRev: string; modRev: string; version: string }[];
  /** Text of each blob by its path below the artifact folder. */
  artifacts: { [path: string]: string };
  /** What this version said of each campaign: the enum's number, and how many records are to be had. */
  campaigns: { [name in Name]: { id: string; state: number; records: number; spec: string; key: string } };
}

const SUITES: { [name in Name]: string } = {
  succeeded: suiteOf({ name: "succeeded", items: 4, models: 2 }),
  poisoned: suiteOf({ name: "poisoned", items: 4, shardSize: 4, options: { die_on: [2] } }),
  oom: suiteOf({ name: "oom", items: 2, options: { faults: { oom_rate: 1 } } }),
  paused: suiteOf({ name: "paused", items: 12, options: { latency_ms: 400 } }),
  running: suiteOf({ name: "running", items: 24, options: { latency_ms: 400 } }),
  split: suiteOf({ name: "split", items: 12, shardSize: 6, options: { latency_ms: 400, die_on: [1] } }),
};

async function record(commit: string): Promise<Recorded> {
  const fleet = await startFleet({
    config: (c) => {
      c.store.kind = "embedded";
    },
  });
  const { api, folder } = fleet;
  await fleet.agent("n1");
  await fleet.agent("n2");
  const campaigns = {} as Recorded["campaigns"];
  const create = async (name: Name) => {
    const spec = SUITES[name];
    const { id } = await api.create({ suite: spec }, `key of ${name}`);
    campaigns[name] = { id, state: 0, records: 0, spec, key: `key of ${name}` };
    return id;
  };
  for (const name of ["succeeded", "poisoned", "oom"] as const) await api.ended(await create(name), 30_000);
  await ask(api.nodes.cordonNode.bind(api.nodes), { id: "n2", reason: "to be recorded" });
  await ask(api.nodes.labelNode.bind(api.nodes), { id: "n2", set: { zone: "a" }, unset: [] });
  const paused = await create("paused");
  await until("one is done", async () => ((await api.get(paused)).progress?.shardsDone ?? 0) > 0);
  await ask(api.campaigns.pauseCampaign.bind(api.campaigns), { id: paused, reason: "to be recorded" });
  await until("nothing runs", async () => (await api.get(paused)).progress?.samplesRunning === 0);
  const running = await create("running");
  const split = await create("split");
  await until("some of both", async () => {
    const { shards } = await api.job(split, "j0000").catch(() => ({ shards: [] })); // not planned yet
    return (
      ((await api.get(running)).progress?.shardsDone ?? 0) > 1 &&
      shards.some(({ state }) => state === "split")
    );
  });
  for (const one of Object.values(campaigns)) {
    one.state = (await api.get(one.id)).state;
    one.records = (await api.records(one.id)).length;
  }
  api.close();
  await fleet.coordinator.stop();
  const store = await openEmbeddedStore({
    ...{ folder: join(folder, "state"), clock: systemClock, random: systemRandom, log: silentLogger() },
  } as Parameters<typeof openEmbeddedStore>[0]);
  const kvs: Recorded["kvs"] = [];
  let at = "";
  for await (const page of store.list({ from: "/", to: "0" })) {
    at = String(page.rev);
    for (const { key, value, createRev, modRev, version, lease } of page.kvs)
      if (lease === undefined)
        kvs.push({
          ...{ key, value: Buffer.from(value).toString("utf8"), createRev: String(createRev) },
          ...{ modRev: String(modRev), version: String(version) },
        });
  }
  await store.close();
  const artifacts: Recorded["artifacts"] = {};
  const below = join(folder, "artifacts");
  for (const entry of readdirSync(below, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) artifacts[path.slice(below.length + 1)] = readFileSync(path, "utf8");
  }
  await fleet.stop().catch(() => {});
  return { commit, rev: at, kvs, artifacts, campaigns };
}

if (process.argv[1]?.endsWith("record-store.ts"))
  record(process.argv[2] ?? "").then((recorded) =>
    process.stdout.write(`${JSON.stringify(recorded, null, 1)}\n`),
  );
