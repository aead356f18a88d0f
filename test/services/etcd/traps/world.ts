/** One etcd server, a client past every relay, and a relay of its own for each client that is tried. */
import { EtcdStore } from "../../../../coordinator/store/etcd/etcd-store.js";
import { systemClock } from "../../../../shared/runtime/clock.js";
import { type EtcdCluster, startEtcd } from "../../../support/etcd.js";
import { type Relay, startRelay } from "../../../support/relay.js";
import type { Client } from "./clients.js";

export interface World {
  readonly address: string;
  /** Asks etcd without a relay. */
  readonly direct: EtcdStore;
  /** Runs a property with a client behind a relay of its own, on an empty etcd unless it runs within another's. */
  tried<T>(client: (address: string) => Client, property: (t: Tried) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export interface Tried {
  client: Client;
  relay: Relay;
  direct: EtcdStore;
}

export async function trapWorld(program: string): Promise<World> {
  const etcd: EtcdCluster = await startEtcd({ program });
  const address = etcd.members[0]?.address ?? "";
  const direct = new EtcdStore({ endpoints: [`http://${address}`], clock: systemClock });
  let under = 0;
  return {
    ...{ address, direct },
    async tried(make, property) {
      if (under++ === 0)
        await direct.txn({ compare: [], success: [{ del: { from: "\0", to: "\u{10ffff}" } }] });
      const relay = await startRelay(address);
      const client = make(relay.address);
      try {
        return await property({ client, relay, direct });
      } finally {
        relay.cut();
        await client.close();
        await relay.close();
        under--;
      }
    },
    async close() {
      await direct.close();
      await etcd.close();
    },
  };
}

/** Puts keys below `/t/`, each in a revision of its own; answers their names and the first one's revision. */
export async function puts(store: EtcdStore, n: number, bytes = 200) {
  const names = Array.from({ length: n }, (_, i) => `/t/${String(i).padStart(5, "0")}`);
  const revs: bigint[] = [];
  for (let at = 0; at < n; at += 100)
    revs.push(
      ...(await Promise.all(
        names.slice(at, at + 100).map((key) => put(store, key, Buffer.alloc(bytes, 120))),
      )),
    );
  return { names, first: revs.reduce((a, b) => (a < b ? a : b)) };
}

export async function put(store: EtcdStore, key: string, value: Buffer = Buffer.from("x")): Promise<bigint> {
  return (await store.txn({ compare: [], success: [{ put: { key, value } }] })).rev;
}
