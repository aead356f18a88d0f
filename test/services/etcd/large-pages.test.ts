/** Lists of large values: a page is more than one answer can carry (64 MiB), and less is asked for. */
import { expect, inject, test } from "vitest";
import { EtcdStore } from "../../../coordinator/store/etcd/etcd-store.js";
import { prefix } from "../../../coordinator/store/store.js";
import { systemClock as clock } from "../../../shared/runtime/clock.js";
import { startEtcd } from "../../support/etcd.js";

test("values of a megabyte are listed, in smaller pages", async () => {
  const etcd = await startEtcd({ program: inject("etcds").current });
  const store = new EtcdStore({ endpoints: etcd.members.map((m) => `http://${m.address}`), clock });
  try {
    const value = Buffer.alloc(1024 * 1024, "x");
    const names = Array.from({ length: 70 }, (_, i) => `/t/${String(i).padStart(2, "0")}`);
    for (const key of names) await store.txn({ compare: [], success: [{ put: { key, value } }] });
    const found: string[] = [];
    let pages = 0;
    for await (const { kvs } of store.list(prefix("/t/"))) {
      pages += 1;
      found.push(...kvs.map(({ key }) => key));
    }
    expect(found).toEqual(names);
    expect(pages).toBe(3);
  } finally {
    await store.close();
    await etcd.close();
  }
});
