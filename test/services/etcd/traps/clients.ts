/**
 * What the tests of this folder ask of a client of etcd, answered by our store and by etcd3's own helper with its
 * defaults. Each trap is one property; it must hold with the first and fail with the second. A property that begins to
 * hold with the helper fails its test: then etcd3 has mended it, and ADR 0014 can be thought over.
 */
import { Etcd3, type IOptions } from "etcd3";
import type { EtcdAccess } from "../../../../coordinator/store/etcd/endpoints.js";
import { EtcdStore } from "../../../../coordinator/store/etcd/etcd-store.js";
import { isStoreError, prefix, rev, StoreError } from "../../../../coordinator/store/store.js";
import { systemClock } from "../../../../shared/runtime/clock.js";

export interface Client {
  /** Follows the keys below `below` from a revision on. */
  follow(below: string, from: bigint): Following;
  /** Creates a key, if it is not there. */
  claim(key: string): Promise<"won" | "refused" | "unknown">;
  put(key: string, value: Buffer): Promise<void>;
  /** Whether the key is there. */
  has(key: string): Promise<boolean>;
  /** How many keys are below. */
  count(below: string): Promise<number>;
  /** Holds a key under a lease of 3 s that it keeps up; says whether it still believes in it. */
  hold(key: string): Promise<() => boolean>;
  close(): Promise<void>;
}

export interface Following {
  /** Keys, as they came. */
  readonly seen: string[];
  /** Why it ended for ever, and the compaction it fell behind, where the client is told. */
  readonly ended: { why: unknown; compactRev: bigint | undefined } | undefined;
  /** What it was cut off by; our store mends that itself and says nothing. */
  readonly cuts: unknown[];
}

/** Said when a property holds with the helper. */
export const MENDED = "etcd3 has mended this: think over ADR 0014";

/** For a call, ms: shorter than the defaults, so that a test of it is. */
const CALL_MS = 500;

export function ourStore(address: string, more: Partial<EtcdAccess> = {}): Client {
  const clock = systemClock;
  const store = new EtcdStore({
    ...{ endpoints: [`http://${address}`], clock, callMs: CALL_MS },
    ...more,
  });
  const creation = (key: string) => ({ key, target: "create", op: "=", operand: 0n }) as const;
  return {
    follow(below, from) {
      const now: Following & { ended: Following["ended"] } = { seen: [], ended: undefined, cuts: [] };
      const signal = new AbortController().signal;
      void (async () => {
        try {
          for await (const { events } of store.watch([prefix(below)], { fromRev: rev(from), signal }))
            now.seen.push(...events.map((e) => e.kv.key));
        } catch (why) {
          const compactRev =
            why instanceof StoreError && why.detail.kind === "Compacted" ? why.detail.compactRev : undefined;
          now.ended = { why, compactRev };
        }
      })();
      return now;
    },
    async claim(key) {
      try {
        const put = { put: { key, value: Buffer.from("x") } };
        return (await store.txn({ compare: [creation(key)], success: [put] })).ok ? "won" : "refused";
      } catch (error) {
        if (isStoreError(error, "OutcomeUnknown")) return "unknown";
        throw error;
      }
    },
    async put(key, value) {
      await store.txn({ compare: [], success: [{ put: { key, value } }] });
    },
    has: async (key) => (await store.get(key)).kv !== undefined,
    async count(below) {
      let n = 0;
      for await (const { kvs } of store.list(prefix(below))) n += kvs.length;
      return n;
    },
    async hold(key) {
      const lease = await store.grantLease(3_000);
      await store.txn({ compare: [], success: [{ put: { key, value: Buffer.from("x"), lease: lease.id } }] });
      return () => !lease.lost.aborted;
    },
    close: () => store.close(),
  };
}

export function etcd3Helper(address: string, more: Omit<IOptions, "hosts"> = {}): Client {
  const etcd = new Etcd3({ hosts: `http://${address}`, ...more });
  return {
    follow(below, from) {
      const now: Following & { ended: Following["ended"] } = { seen: [], ended: undefined, cuts: [] };
      const watcher = etcd.watch().prefix(below).startRevision(String(from)).watcher();
      watcher.on("put", (kv) => now.seen.push(kv.key.toString()));
      watcher.on("disconnected", (why) => now.cuts.push(why));
      watcher.on("error", (why) => {
        const digits = /\d+/.exec(String(why.message));
        const { compactRev, compact_revision } = why as { compactRev?: string; compact_revision?: string };
        const told = compactRev ?? compact_revision ?? digits?.[0];
        now.ended = { why, compactRev: told === undefined ? undefined : BigInt(told) };
      });
      return now;
    },
    async claim(key) {
      const { succeeded } = await etcd.if(key, "Create", "==", 0).then(etcd.put(key).value("x")).commit();
      return succeeded ? "won" : "refused";
    },
    async put(key, value) {
      await etcd.put(key).value(value);
    },
    has: async (key) => (await etcd.get(key)) !== null,
    count: async (below) => Object.keys(await etcd.getAll().prefix(below).buffers()).length,
    async hold(key) {
      const lease = etcd.lease(3);
      let holds = true;
      lease.on("lost", () => {
        holds = false;
      });
      await lease.put(key).value("x");
      return () => holds;
    },
    async close() {
      etcd.close();
    },
  };
}
