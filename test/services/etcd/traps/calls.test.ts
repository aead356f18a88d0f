/** What etcd3's defaults do to calls, its lease to its holder; what the store does instead (ADR 0014). */
import { afterAll, describe, expect, inject, test } from "vitest";
import { until } from "../../../support/until.js";
import { type Client, etcd3Helper, MENDED, ourStore } from "./clients.js";
import { put, type Tried, trapWorld } from "./world.js";

const { old, current } = inject("etcds");

describe.each([
  ["Debian's", old],
  ["current", current],
])("etcd, %s", (_, program) => {
  const starting = trapWorld(program);
  afterAll(async () => (await starting).close());

  test("a claim that was won and whose answer was lost is never told as refused; the helper sends it again and says so", async () => {
    const world = await starting;
    const told = async ({ client, relay, direct }: Tried) => {
      await client.has("/t/a"); // a connection to lose
      relay.deafen();
      const claim = client.claim("/t/a");
      await until("the claim is won", async () => (await direct.get("/t/a")).kv !== undefined);
      relay.cut();
      return claim;
    };
    expect(await world.tried(ourStore, told)).toBe("unknown");
    expect(await world.tried(etcd3Helper, told), MENDED).toBe("refused");
  });

  test("a call that nobody answers ends; the helper's waits on", async () => {
    const world = await starting;
    const ends = async ({ client, relay }: Tried) => {
      await client.has("/t/a");
      relay.deafen();
      let ended = false;
      const call = client.has("/t/a").then(
        () => {
          ended = true;
        },
        () => {
          ended = true;
        },
      );
      // Three calls of ours, one after the other, to a server that is deaf as well: time enough for one.
      for (let i = 0; i < 3; i++) await world.tried(ourStore, aCallThatEnds);
      const inTime = ended;
      relay.cut();
      await call;
      return inTime;
    };
    expect(await world.tried(ourStore, ends)).toBe(true);
    expect(await world.tried(etcd3Helper, ends), MENDED).toBe(false);
  });

  test("the deadline of calls is none of watches; the helper's default is, and cuts them", async () => {
    const world = await starting;
    const cuts = async ({ client, direct }: Tried) => {
      const from = (await direct.get("/t/a")).rev + 1n;
      const following = client.follow("/t/", from);
      await put(direct, "/t/a");
      await until("the watch sees an event", () => following.seen.length > 0);
      for (let i = 0; i < 3; i++) await world.tried(ourStore, aCallThatEnds);
      return following.cuts.length;
    };
    const withDeadline = (address: string) =>
      etcd3Helper(address, { defaultCallOptions: () => ({ deadline: Date.now() + 500 }) });
    expect(await world.tried(ourStore, cuts)).toBe(0);
    expect(await world.tried(withDeadline, cuts), MENDED).toBeGreaterThan(0);
  });

  test("after a request that is too large the next one is served; the helper's is refused unasked", async () => {
    const world = await starting;
    const served = async ({ client }: Tried) => {
      await expect(client.put("/t/large", Buffer.alloc(3 * 1024 * 1024))).rejects.toThrow();
      return client.has("/t/large").then(
        () => true,
        () => false,
      );
    };
    expect(await world.tried(ourStore, served)).toBe(true);
    expect(await world.tried(etcd3Helper, served), MENDED).toBe(false);
  });

  test("more than 4 MiB can be listed; the helper's answer is too large for it", async () => {
    const world = await starting;
    const counted = async ({ client, direct }: Tried) => {
      for (let i = 0; i < 6; i++) await put(direct, `/t/${i}`, Buffer.alloc(1024 * 1024));
      return client.count("/t/").catch(() => undefined);
    };
    const patient = (address: string) => ourStore(address, { callMs: 10_000 });
    expect(await world.tried(patient, counted)).toBe(6);
    expect(await world.tried(etcd3Helper, counted), MENDED).toBeUndefined();
  });

  test("who cannot renew a lease knows that before its keys are gone; the helper's holder believes on", async () => {
    const world = await starting;
    const believes = async ({ client, relay, direct }: Tried) => {
      const holds = await client.hold("/t/held");
      expect(holds()).toBe(true);
      relay.block(true);
      const gone = async () => (await direct.get("/t/held")).kv === undefined;
      await until("etcd has let the key go", gone, 30_000);
      return holds();
    };
    expect(await world.tried(ourStore, believes)).toBe(false);
    expect(await world.tried(etcd3Helper, believes), MENDED).toBe(true);
  });
});

async function aCallThatEnds({ client, relay }: { client: Client; relay: Tried["relay"] }): Promise<void> {
  await client.has("/t/a");
  relay.deafen();
  await expect(client.has("/t/a")).rejects.toMatchObject({ detail: { kind: "Unavailable" } });
}
