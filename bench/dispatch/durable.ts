/** What a state store has once the coordinator that wrote to it was killed: another process opens it anew. */
import { openEmbeddedStore } from "../../coordinator/store/embedded/embedded-store.js";
import { EtcdStore } from "../../coordinator/store/etcd/etcd-store.js";
import { keys } from "../../coordinator/store/keys.js";
import type { StateStore } from "../../coordinator/store/store.js";
import { systemClock as clock } from "../../shared/runtime/clock.js";
import { silentLogger } from "../../shared/runtime/logger.js";
import { systemRandom as random } from "../../shared/runtime/random.js";

/** Shards with a done record, in etcd or in a folder. */
export async function countDone(where: { folder: string } | { etcd: string }): Promise<number> {
  const store: StateStore =
    "etcd" in where
      ? new EtcdStore({ endpoints: [where.etcd], clock })
      : await openEmbeddedStore({ folder: where.folder, clock, random, log: silentLogger() });
  try {
    let found = 0;
    for await (const { kvs } of store.list(keys.dones)) found += kvs.length;
    return found;
  } finally {
    await store.close();
  }
}
