/** The conformance list against real etcd servers: Debian's and a current one, one node and a cluster of three. */
import { afterAll, inject } from "vitest";
import { EtcdStore } from "../../../coordinator/store/etcd/etcd-store.js";
import type { Rev } from "../../../coordinator/store/store.js";
import { StallableClock } from "../../conformance/stallable-clock.js";
import { storeConformance } from "../../conformance/store-conformance.js";
import { type EtcdCluster, startEtcd } from "../../support/etcd.js";
import { startRelay } from "../../support/relay.js";
import { cutAnywhere, killedAfterTheAck, leaderKilled, restored } from "./own-items.js";

const { old, current } = inject("etcds");

for (const [name, program, members] of [
  ["etcd, Debian's", old, 1],
  ["etcd", current, 1],
  ["etcd, three nodes", current, 3],
] as const) {
  // One cluster for all items of a list that need none of their own: each begins with no key in it.
  let started: Promise<EtcdCluster> | undefined;
  afterAll(async () => (await started)?.close());
  const world = async () => {
    started ??= startEtcd({ program, members });
    const etcd = await started;
    const relays = await Promise.all(etcd.members.map(({ address }) => startRelay(address)));
    const clock = new StallableClock();
    const a = new EtcdStore({
      pageKeys: 500, // so that what an item lists is more than one page
      endpoints: relays.map(({ address }) => `http://${address}`),
      clock,
      watchBound: 100,
    });
    const b = new EtcdStore({ endpoints: etcd.members.map((m) => `http://${m.address}`), clock });
    await b.txn({ compare: [], success: [{ del: { from: "\0", to: "\u{10ffff}" } }] });
    const { rev: begun } = await a.get("/t/a"); // so that there is a connection to lose
    let losing: Promise<void> | undefined;
    return {
      ...{ a, b, clock },
      // Real time: what is longer than the leases of the list, 6 s, is long enough.
      advance: (ms: number) => clock.sleep(Math.min(ms, 9_000)),
      stall: (ms: number) => clock.stall(Math.min(ms, 9_000)),
      loseReply: () => {
        losing = loseFirstReply(b, relays, begun);
      },
      restore: () => Promise.reject(new Error("see own-items.ts")),
      close: async () => {
        await losing;
        await a.close();
        await b.close();
        for (const relay of relays) await relay.close();
      },
    };
  };
  storeConformance(name, world, {
    own: {
      10: () => cutAnywhere(program, members),
      20: () => killedAfterTheAck(program, members),
      ...(program === current && { 21: () => restored(program, inject("etcdutl"), members) }),
      ...(members > 1 && { 24: () => leaderKilled(program, members) }),
    },
    notApplicable: {
      ...(program === old && { 21: "a restore that bumps revisions came with etcd 3.5.13" }),
      23: "it has no folder of its own; etcd sees to that",
      ...(members === 1 && { 24: "one node has no other to lead" }),
    },
    timeoutMs: 120_000,
  });
}

/** Keeps back what etcd answers until the first write is there, then cuts. */
async function loseFirstReply(
  b: EtcdStore,
  relays: readonly { deafen(): void; cut(): void }[],
  begun: Rev,
): Promise<void> {
  for (const relay of relays) relay.deafen();
  while ((await b.get("/t/a")).rev === begun) await new Promise((resolve) => setTimeout(resolve, 5));
  for (const relay of relays) relay.cut();
}
