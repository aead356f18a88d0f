/** What etcd3's own watcher gets wrong, and the store's does not (ADR 0014). */
import { afterAll, describe, expect, inject, test } from "vitest";
import { rev } from "../../../../coordinator/store/store.js";
import { until } from "../../../support/until.js";
import { withUser } from "../users.js";
import { type Client, etcd3Helper, type Following, MENDED, ourStore } from "./clients.js";
import { put, puts, type Tried, trapWorld, type World } from "./world.js";

const { old, current } = inject("etcds");

describe.each([
  ["Debian's", old],
  ["current", current],
])("etcd, %s", (_, program) => {
  const starting = trapWorld(program);
  afterAll(async () => (await starting).close());

  test("a watch that is cut goes on behind what it delivered; the helper's behind what was written by then", async () => {
    const world = await starting;
    const times = async ({ client, relay, direct }: Tried) => {
      const { names, first } = await puts(direct, 3_000, 200);
      await client.has("/t/none"); // there is a connection
      relay.cutAfter(300_000); // in the midst of 3,000 values
      const { seen } = await followsToTheEnd(client, first, direct);
      const count = new Map(names.map((name) => [name, 0]));
      for (const key of seen) if (count.has(key)) count.set(key, (count.get(key) ?? 0) + 1);
      return [...new Set(count.values())].sort();
    };
    expect(await world.tried(ourStore, times)).toEqual([1]);
    expect(await world.tried(etcd3Helper, times), MENDED).toContain(0);
  });

  test("a watch from before a compaction is told of its revision; the helper's reader is not", async () => {
    const world = await starting;
    const told = async ({ client, direct }: Tried) => {
      const { first } = await puts(direct, 200);
      const at = rev(first + 150n);
      await direct.compact(at);
      const following = client.follow("/t/", first);
      await until("the watch has ended", () => following.ended !== undefined);
      return { at: BigInt(at), told: following.ended?.compactRev };
    };
    const ours = await world.tried(ourStore, told);
    expect(ours.told).toBe(ours.at);
    expect((await world.tried(etcd3Helper, told)).told, MENDED).toBeUndefined();
  });

  test("revisions of more than 4 MiB in sum are delivered; the helper is cut off by them and passes over them", async () => {
    const world = await starting;
    const found = async ({ client, direct }: Tried) => {
      const { names, first } = await puts(direct, 8, 1024 * 1024);
      const { seen } = await followsToTheEnd(client, first, direct);
      return names.filter((name) => seen.includes(name)).length;
    };
    expect(await world.tried(ourStore, found)).toBe(8);
    expect(await world.tried(etcd3Helper, found), MENDED).toBe(0);
  });

  test("a watch that is denied leaves later ones alone; the helper's wait behind it for ever", async () => {
    const world = await trapWorld(program);
    try {
      await withUser(`http://${world.address}`);
      const user = { name: "sai", password: "sai-secret" };
      const sees = async ({ client }: Pick<Tried, "client">) => {
        const denied = client.follow("/other/", 1n);
        await until("the watch is denied", () => denied.ended !== undefined, 30_000);
        const { seen } = client.follow("/t/", 1n);
        const control = ourStore(world.address, { user });
        try {
          const other = control.follow("/t/", 1n);
          await client.put("/t/a", Buffer.from("x"));
          await until("another client sees the event", () => other.seen.length > 0, 30_000);
          // Answers of a stream come in order: what was to come for the put would be under way by now.
          for (let i = 0; i < 100; i++) await client.has("/t/a");
          return seen.length > 0;
        } finally {
          await control.close();
        }
      };
      const tried = (client: Client) => sees({ client }).finally(() => client.close());
      expect(await tried(ourStore(world.address, { user }))).toBe(true);
      const auth = { username: user.name, password: user.password };
      expect(await tried(etcd3Helper(world.address, { auth })), MENDED).toBe(false);
    } finally {
      await world.close();
    }
  });
});

/** Follows until it sees a key that is put now, again and again: what was before it has come by then, or never will. */
async function followsToTheEnd(client: Client, from: bigint, direct: World["direct"]): Promise<Following> {
  const following = client.follow("/t/", from);
  const sees = async () => {
    await put(direct, "/t/last");
    return following.seen.includes("/t/last");
  };
  await until("the watch sees what is put last", sees, 30_000);
  return following;
}
