import { beforeEach, expect, test } from "vitest";
import type { GpuWish } from "../../shared/domain/gpu-lanes.js";
import { silentLogger } from "../../shared/runtime/logger.js";
import { ManualClock } from "../../test/conformance/manual-clock.js";
import { type GpuHold, GpuLedger } from "./gpu-ledger.js";
import { GpuPlaces } from "./gpu-places.js";

const GIB = 1024 ** 3;
let clock: ManualClock;
let ledger: GpuLedger;
let places: GpuPlaces;
/** What was unloaded and released, in order. */
let done: string[];
/** Leases whose GPUs are not seen to be free yet. */
let slow: Map<string, () => void>;
let isSlow: boolean;
let ids: number;
let limited: boolean;

beforeEach(() => {
  clock = new ManualClock();
  ledger = new GpuLedger({ memoryShare: 0.9, parts: 4 });
  ledger.see(["a", "b"].map((uuid) => ({ uuid, name: "H100", memoryBytes: 80 * GIB, slices: undefined })));
  [done, slow, isSlow, ids, limited] = [[], new Map(), false, 0, false];
  places = new GpuPlaces({
    leases: {
      take: async (name: string, wish: GpuWish): Promise<GpuHold | undefined> => ledger.grant(name, wish),
      async release(name) {
        ledger.freeing(name);
        if (isSlow) await new Promise<void>((free) => slow.set(name, free));
        ledger.freed(name);
        done.push(`release ${name}`);
      },
      namesOf: (uuids) => ledger.namesOf(uuids),
      shareOf: (hold) => ledger.shareOf(hold),
      get limited() {
        return limited;
      },
      refusal: (wish) => ledger.refusal(wish),
      lanes: () => ledger.lanes(),
      now: () => ({ holds: ledger.list(), dirty: new Map() }),
      close: async () => {},
    },
    unload: async (lease) => void done.push(`unload ${lease}`),
    newId: () => `l${++ids}`,
    ...{ idleMs: 1000, clock, log: silentLogger(), changed: () => {} },
  });
});
const states = () => places.told().leases.map(({ id, state, attempt }) => `${id} ${state} ${attempt}`);

test("the next attempt of the same model finds it loaded; another model's takes free GPUs first", async () => {
  const first = await places.take("1", "gpu", "x");
  if (first) places.giveBack(first, "1", false);
  expect(await places.take("2", "gpu", "x")).toEqual(first);
  expect(await places.take("3", "gpu", "y")).toMatchObject({ uuids: ["b"], names: ["H100"] });
  expect(done).toEqual([]);
});

test("what is idle is given up for others, unloaded and seen to be free before they have it", async () => {
  isSlow = true;
  const first = await places.take("1", "gpu", "x");
  if (first) places.giveBack(first, "1", false);
  expect(await places.take("2", "gpu:2", "y")).toBeUndefined();
  await clock.advance(1);
  expect(done).toEqual(["unload l1"]);
  expect(states()).toEqual(["l1 freeing 1"]);
  // It is not warm any more, either.
  expect(await places.take("3", "gpu", "x")).toMatchObject({ uuids: ["b"] });
  slow.get("l1")?.();
  await clock.advance(1);
  expect(done).toEqual(["unload l1", "release l1"]);
});

test("what is idle stands in the way of something of another kind only under limits of the whole node", async () => {
  const first = await places.take("1", "gpu", "x");
  if (first) places.giveBack(first, "1", false);
  expect(await places.take("2", "mig:1g.10gb", "y")).toBeUndefined();
  await clock.advance(1);
  expect(done).toEqual([]);
  limited = true;
  expect(await places.take("2", "mig:1g.10gb", "y")).toBeUndefined();
  await clock.advance(1);
  expect(done).toEqual(["unload l1", "release l1"]);
});

test("an attempt that asks again while one place is on its way out has no other given up", async () => {
  isSlow = true;
  for (const [attempt, model] of [
    ["1", "x"],
    ["2", "y"],
  ] as const) {
    const place = await places.take(attempt, "gpu", model);
    if (place) places.giveBack(place, attempt, false);
  }
  for (let i = 0; i < 5; i += 1) expect(await places.take("3", "gpu", "z")).toBeUndefined();
  await clock.advance(1);
  expect(done).toEqual(["unload l1"]);
});

test("what nobody comes for is given up after a while; what is used again is not", async () => {
  const first = await places.take("1", "gpu", "x");
  if (first) places.giveBack(first, "1", false);
  await clock.advance(900);
  await places.take("2", "gpu", "x");
  await clock.advance(5_000);
  expect(done).toEqual([]);
  if (first) places.giveBack(first, "2", false);
  await clock.advance(1_000);
  expect(done).toEqual(["unload l1", "release l1"]);
  expect(clock.pendingTimers).toBe(0);
});

test("an attempt that says twice that it has ended does not take the place from the next one", async () => {
  const first = await places.take("1", "gpu", "x");
  if (!first) throw new Error("nothing was granted");
  places.giveBack(first, "1", false);
  await places.take("2", "gpu", "x");
  places.giveBack(first, "1", true);
  expect(states()).toEqual(["l1 running 2"]);
});

test("what a failed attempt used is not used again", async () => {
  const first = await places.take("1", "gpu", "x");
  if (first) places.giveBack(first, "1", true);
  expect(await places.take("2", "gpu", "x")).toMatchObject({ lease: "l2" });
  await clock.advance(1);
  expect(done).toEqual(["unload l1", "release l1"]);
});

test("at the end everything is given up, also what is in use", async () => {
  await places.take("1", "gpu", "x");
  await places.close();
  expect(done).toEqual(["unload l1", "release l1"]);
  expect(places.told().leases).toEqual([]);
  // One that was still being taken is not kept for anybody.
  const late = await places.take("2", "gpu", "x");
  if (late) places.giveBack(late, "2", false);
  await clock.advance(1);
  expect(done.slice(2)).toEqual(["unload l2", "release l2"]);
  expect(clock.pendingTimers).toBe(0);
});
