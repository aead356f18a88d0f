/** One etcd server for a benchmark, on a real disk. */
import { EtcdStore } from "../../coordinator/store/etcd/etcd-store.js";
import { systemClock as clock } from "../../shared/runtime/clock.js";
import { startEtcd } from "../../test/support/etcd.js";

export interface BenchEtcd {
  /** Where clients dial. */
  readonly url: string;
  readonly pid: number;
  /** The size of its database as etcd counts it. */
  dbBytes(): Promise<number>;
  close(): Promise<void>;
}

const QUOTA_BYTES = 8 * 1024 ** 3;

/** The quota is wide: what is measured is no full store. */
export async function startBenchEtcd(program: string): Promise<BenchEtcd> {
  const cluster = await startEtcd({ program, flags: ["--quota-backend-bytes", `${QUOTA_BYTES}`] });
  const [member] = cluster.members;
  if (member === undefined) throw new Error("an etcd cluster without a member");
  const url = `http://${member.address}`;
  return {
    url,
    pid: member.pid,
    async dbBytes() {
      const store = new EtcdStore({ endpoints: [url], clock });
      try {
        return (await store.usage()).usedBytes;
      } finally {
        await store.close();
      }
    },
    close: () => cluster.close(),
  };
}
