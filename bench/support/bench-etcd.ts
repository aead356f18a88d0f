/** One etcd server for a benchmark, on a real disk. */
import { startEtcd } from "../../test/support/etcd.js";

export interface BenchEtcd {
  /** Where clients dial. */
  readonly url: string;
  readonly pid: number;
  /** Of its database: the file's, and what of it is in use; less after a compaction. */
  size(): Promise<{ dbBytes: number; inUseBytes: number }>;
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
    async size() {
      const text = await (await fetch(`${member.metricsUrl}/metrics`)).text();
      const value = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
      return {
        dbBytes: value("etcd_mvcc_db_total_size_in_bytes"),
        inUseBytes: value("etcd_mvcc_db_total_size_in_use_in_bytes"),
      };
    },
    close: () => cluster.close(),
  };
}
