/** A real board and fleet with an outlook on them, without sessions: nodes that join, campaigns, attempts that begin and end. */
import type { JobSpec, Plan } from "../shared/benchmark/plan.js";
import type { Fence } from "../shared/domain/fence.js";
import { Inventory } from "../shared/gen/sai/v1/node.js";
import { silentLogger } from "../shared/runtime/logger.js";
import { ManualClock } from "../test/conformance/manual-clock.js";
import { Board, type CampaignEntry, type JobEntry, type ShardKey } from "./campaigns/board.js";
import { EventLog } from "./events.js";
import { Outlook } from "./outlook.js";
import { Fleet, type NodeEntry } from "./sessions/fleet.js";
import { FleetRecords } from "./sessions/fleet-records.js";
import type { Peer } from "./sessions/peer.js";
import { FencedStore } from "./store/fenced-store.js";
import { openMemoryStore } from "./store/memory-store.js";

const inventory = Inventory.fromJSON({
  devices: [{ uuid: "cpu", kind: "cpu", name: "cpu", slots: 2 }],
  engines: [
    { kind: "ocr", models: ["eng", "deu"] },
    { kind: "simulated", models: [] },
  ],
});
export const spec = (
  id: string,
  more: Partial<JobSpec> & { engine?: string; name?: string } = {},
): JobSpec => {
  const { engine = "ocr", name = "eng", ...rest } = more;
  return {
    ...{ id, samples: 40, shardSize: 1, maxAttempts: 5, engineOptions: {}, metrics: [] },
    ...{ model: { engine, model: name, options: {} } },
    ...rest,
  } as unknown as JobSpec;
};

export interface Begun {
  fence: Fence;
  shard: ShardKey;
  node: NodeEntry;
}

export async function world() {
  const clock = new ManualClock();
  const log = silentLogger();
  const state = openMemoryStore({ clock });
  const acquired = await FencedStore.acquire(
    state,
    { replica: "r", nonce: "n", address: "" },
    { ttlMs: 3_600_000, clock },
  );
  if (acquired.kind !== "acquired") throw new Error("nobody else can lead here");
  const records = new FleetRecords(acquired.store, clock, log);
  const nothing = () => {};
  const fleet = new Fleet({
    ...{ clock, events: new EventLog(clock), log, records },
    timers: { suspectAfterMs: 1e9, lostAfterMs: 2e9 },
    listener: {
      ...{ lost: nothing, left: nothing, retract: nothing, wake: nothing, roomier: nothing },
      contradicts: nothing,
    },
  });
  const board = new Board();
  const outlook = new Outlook(board, fleet, { maxWaitMs: 120_000, tenants: new Map() });
  let n = 0n;
  /** A shard goes to a node. */
  const give = (entry: CampaignEntry, job: JobEntry, index: number, node: NodeEntry): Begun | undefined => {
    n += 1n;
    const fence = { epoch: 1n, n };
    const shard = { campaign: entry.value.id, job: job.spec.id, index };
    const nowMs = clock.nowMs();
    const assign = { kind: "assign" as const, fence, agent: node.id, acceptByMs: nowMs };
    if (!board.shardEvent(shard, assign, nowMs)) return undefined;
    fleet.given(node, { fence, shard, lane: "cpu" });
    job.waitingSinceMs = nowMs;
    return { fence, shard, node };
  };
  return {
    ...{ board, clock, fleet, give, log, outlook },
    async close() {
      await records.stop();
      await state.close();
    },
    join(id: string, credits = 3n): NodeEntry {
      const node = fleet.meet(id);
      node.peer = { send: nothing, close: nothing } as unknown as Peer;
      node.incarnation += 1n;
      fleet.event(node, { kind: "hello", incarnation: node.incarnation });
      fleet.event(node, { kind: "reconciled" });
      fleet.setInventory(node, "h", inventory);
      fleet.resetCredits(node);
      fleet.offer(node, "cpu", credits);
      return node;
    },
    add(id: string, jobs: JobSpec[], priority = 0): CampaignEntry {
      const entry = board.add({
        ...{ id, name: id, description: "", priority, createdMs: 0, suiteSha256: "", request: {} },
        ...{ warnings: [], state: { kind: "RUNNING", sinceMs: 0, planSha256: "p" } },
      });
      board.setPlan(entry, { jobs } as unknown as Plan, clock.nowMs());
      for (const job of entry.jobs) {
        job.gate = 7n;
        job.state = { kind: "RUNNING", samples: 40, shardSize: 1, gate: 7n, planned: 40 } as never;
      }
      return entry;
    },
    /** A shard goes to a node and begins there. */
    begin(entry: CampaignEntry, job: JobEntry, index: number, node: NodeEntry): Begun | undefined {
      const given = give(entry, job, index, node);
      if (given) board.shardEvent(given.shard, { kind: "start", fence: given.fence }, clock.nowMs());
      return given;
    },
    end({ fence, shard, node }: Begun) {
      board.shardEvent(shard, { kind: "commit", fence }, clock.nowMs());
      fleet.ended(node.id, fence);
    },
  };
}
