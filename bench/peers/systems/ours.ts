/** Our own system: with either state store, and a task as a campaign or as a shard. */
import { ETCD_VERSION, etcdProgram } from "../../../test/services/etcd/programs.js";
import type { AgentsQuestions } from "../../dispatch/agents.js";
import type { CoordinatorQuestions } from "../../dispatch/coordinator.js";
import type { FleetCoordinatorQuestions } from "../../fleet/coordinator.js";
import { allReady } from "../../fleet/measure.js";
import { ask } from "../../support/asking.js";
import { type BenchEtcd, startBenchEtcd } from "../../support/bench-etcd.js";
import { compiled } from "../../support/compiled.js";
import { type LineChild, startLineChild } from "../../support/line-child.js";
import { ready, running, together } from "../children.js";
import { suiteOfTasks } from "../shard-tasks.js";
import type { Place, Running, System } from "../system.js";

type Store = "embedded" | "etcd";

const AGENTS = 4;
const SLOTS = 64;
/** More than a coordinator gives out in a second, all concurrencies together. */
const SHARDS_A_CELL_S = 20_000;

const ourClient = new URL("../ours-client.ts", import.meta.url);
const child = (file: string) => startLineChild(compiled(new URL(`../../${file}`, import.meta.url)));

const install = (store: Store) => async (): Promise<string> => {
  if (store === "embedded") return "this checkout";
  await etcdProgram(console.error);
  return `this checkout, etcd ${ETCD_VERSION}`;
};

type Keep = <S extends { stop(): Promise<void> } | LineChild>(started: S) => S;

async function etcdOf(store: Store, keep: Keep): Promise<{ url: string; servers: Stoppable[] }> {
  if (store === "embedded") return { url: "", servers: [] };
  const etcd: BenchEtcd = await startBenchEtcd(await etcdProgram(console.error));
  return { url: etcd.url, servers: [keep({ pid: etcd.pid, stop: () => etcd.close() })] };
}

type Stoppable = { pid: number; stop(): Promise<void> };
const asServer = (one: LineChild): Stoppable => ({ pid: one.pid, stop: () => one.kill() });

async function agents(keep: Keep, folder: string, address: string): Promise<LineChild> {
  const worker = keep(child("dispatch/agents.ts"));
  const shape = { agents: AGENTS, slots: SLOTS, run: "echo" as const };
  await ask<AgentsQuestions, "start">(worker, "start", { folder, address, ...shape });
  return worker;
}

/** Everything a campaign costs, for each task. */
export const campaigns = (store: Store): System => ({
  name: `ours, ${store}: a campaign a task`,
  how: "each task is submitted, planned, sealed and summed up as a campaign of its own, whose record is read back over the API and has the last 32 bytes of the task as its answer; nothing is batched but transactions that happen to be due together",
  install: install(store),
  start: ({ folder }) =>
    together(async (keep) => {
      const { url, servers } = await etcdOf(store, keep);
      const coordinator = keep(child("fleet/coordinator.ts"));
      const ports = await ask<FleetCoordinatorQuestions, "start">(coordinator, "start", {
        ...{ folder, ports: { api: 0, agents: 0, http: 0 }, etcd: url },
      });
      const worker = await agents(keep, folder, `127.0.0.1:${ports.agents}`);
      await allReady(ports, AGENTS);
      const client = await ready(keep(startLineChild(compiled(ourClient), [`127.0.0.1:${ports.api}`])));
      return running([asServer(coordinator), ...servers], worker, client);
    }),
});

/** What a task costs within a campaign. */
export const shards = (store: Store): System => ({
  name: `ours, ${store}: a shard a task`,
  how: "shards of one large campaign become pending one at a time inside the coordinator, which is the client too: submitting is a step of memory, as the campaign is durable already; results that come within a few ms share a transaction; each has its shard, its repetition and the last 32 bytes of its item",
  durableBefore: true,
  install: install(store),
  start: (place) => together((keep) => startShards(store, place, keep)),
});

async function startShards(store: Store, { folder, seconds }: Place, keep: Keep): Promise<Running> {
  const { url, servers } = await etcdOf(store, keep);
  const coordinator = keep(child("dispatch/coordinator.ts"));
  const { address } = await ask<CoordinatorQuestions, "start">(coordinator, "start", { folder, etcd: url });
  const worker = await agents(keep, folder, address);
  await ask<CoordinatorQuestions, "ready">(coordinator, "ready", { nodes: AGENTS });
  const suite = suiteOfTasks(Math.ceil(seconds * SHARDS_A_CELL_S));
  await ask<CoordinatorQuestions, "campaign">(coordinator, "campaign", { suite, held: true });
  await ask<CoordinatorQuestions, "loop">(coordinator, "loop", {});
  const of = running([asServer(coordinator), ...servers], worker, coordinator);
  return {
    ...of,
    pids: { ...of.pids, client: [] },
    begin: async (outstanding, spans) =>
      void (await ask<CoordinatorQuestions, "beginLoop">(coordinator, "beginLoop", { outstanding, spans })),
    window: async () => void (await ask<CoordinatorQuestions, "windowLoop">(coordinator, "windowLoop", {})),
    end: () => ask<CoordinatorQuestions, "endLoop">(coordinator, "endLoop", {}),
  };
}
