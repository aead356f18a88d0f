/** What the fleet keeps of its nodes, and how long it waits for them. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { Inventory } from "../../shared/gen/sai/v1/node.js";
import { keys } from "../store/keys.js";
import type { NodeEntry } from "./fleet.js";
import { fleetAlone } from "./fleet.test-support.js";

const LOST_MS = 60_000;
type Alone = Awaited<ReturnType<typeof fleetAlone>>;
let alone: Alone;
let fleet: Alone["fleet"];
beforeEach(async () => {
  alone = await fleetAlone(LOST_MS);
  fleet = alone.fleet;
});
afterEach(() => alone.stop());

/** A node that said Hello and is ready. */
function ready(id: string): NodeEntry {
  const node = fleet.meet(id);
  fleet.event(node, { kind: "hello", incarnation: 1n });
  fleet.event(node, { kind: "reconciled" });
  node.stretch = fleet.stretch;
  return node;
}

test("an inventory is kept and stored as long as some node has it", async () => {
  const inventory = (hostname: string) => Inventory.fromPartial({ hostname });
  const kept = async () => {
    await alone.clock.advance(1000);
    const known = ["x", "y"].filter((hash) => fleet.knowsInventory(hash) !== undefined);
    const stored = [];
    for (const hash of ["x", "y"])
      if ((await alone.state.get(keys.inventory(hash).key)).kv) stored.push(hash);
    expect(stored).toEqual(known);
    return known;
  };
  const [a, b] = [ready("a"), ready("b")];
  fleet.setInventory(a, "x", inventory("old"));
  fleet.setInventory(b, "x", inventory("old"));
  fleet.setInventory(b, "x", inventory("old")); // said again
  expect(await kept()).toEqual(["x"]);
  fleet.setInventory(a, "y", inventory("new"));
  expect(await kept()).toEqual(["x", "y"]);
  fleet.setInventory(b, "y", inventory("new"));
  expect(await kept()).toEqual(["y"]);
  fleet.setInventory(b, "x", inventory("old"));
  expect(await kept()).toEqual(["x", "y"]);
  for (const node of [a, b]) {
    fleet.event(node, { kind: "bye", reason: "gone" });
    fleet.forget(node);
    fleet.forget(node);
  }
  expect(await kept()).toEqual([]);
});

test("an inventory that was restored goes with the last node that has it, too", async () => {
  const value = {
    kind: "READY",
    reason: "",
    cordon: { kind: "open" },
    labels: {},
    version: "1",
    sinceMs: 0,
  } as const;
  const stored = { inventory: Inventory.toJSON(Inventory.fromPartial({ hostname: "h" })) as object };
  const [a, b] = ["a", "b"].map((id) =>
    fleet.restore({ ...value, id, incarnation: 1n, inventoryHash: "x" }, stored as never),
  ) as [NodeEntry, NodeEntry];
  fleet.setInventory(a, "y", Inventory.fromPartial({}));
  expect(fleet.knowsInventory("x")).toBeDefined();
  fleet.setInventory(b, "y", Inventory.fromPartial({}));
  expect(fleet.knowsInventory("x")).toBeUndefined();
});

test("the pace of heartbeats slows down with the nodes that are there, up to three times", () => {
  const stretches = [];
  for (let n = 0; n < 4000; n += 1) {
    ready(`n${n}`);
    if ([0, 999, 1499, 1999, 2999, 3999].includes(n)) stretches.push(fleet.stretch);
  }
  expect(stretches).toEqual([1, 1, 1.5, 2, 3, 3]);
  for (let n = 0; n < 3500; n += 1) fleet.event(fleet.meet(`n${n}`), { kind: "bye", reason: "gone" });
  expect(fleet.stretch).toBe(1);
  for (let n = 0; n < 3500; n += 1) fleet.forget(fleet.meet(`n${n}`));
  expect(fleet.stretch).toBe(1);
});

test("whoever was told a slower pace may be silent for as much longer", async () => {
  for (let n = 0; n < 1999; n += 1) ready(`n${n}`);
  const last = ready("last");
  const silent = async (ms: number) => {
    await alone.clock.advance(ms);
    return [fleet.overdue().includes(last), last.state.kind];
  };
  expect(await silent(LOST_MS - 1)).toEqual([false, "READY"]);
  expect(await silent(2)).toEqual([false, "SUSPECT"]);
  // The pace it was told counts, also when the others have gone.
  for (let n = 0; n < 1500; n += 1) fleet.event(fleet.meet(`n${n}`), { kind: "bye", reason: "gone" });
  expect(fleet.stretch).toBe(1);
  expect(await silent(LOST_MS - 2)).toEqual([false, "SUSPECT"]);
  expect(await silent(1)).toEqual([true, "SUSPECT"]);
});
