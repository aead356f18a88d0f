/** Records that cannot be written must not hold up those that can. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { sha256 } from "../../shared/runtime/hash.js";
import { keys } from "../store/keys.js";
import { INVENTORY, Sessions } from "./sessions.test-support.js";

let on: Sessions;
beforeEach(async () => {
  on = await Sessions.open();
});
afterEach(() => on.close());

const MIB = 1024 * 1024;
const stored = async (key: string) => (await on.campaigns.state.get(key)).kv !== undefined;
const dropped = () => on.term.logs.filter(({ msg }) => msg.includes("dropped")).length;

test("what no store would take is dropped and said, and what stands beside it is written", async () => {
  on.fleet.meet("n1");
  on.records.noteInventory("h".repeat(600), INVENTORY);
  on.records.noteInventory(sha256("big"), { ...INVENTORY, os: "x".repeat(2 * MIB) });
  on.records.noteInventory(sha256("good"), INVENTORY);
  const node = await on.world.get(on.admin.cordon("n1", "new driver"));
  expect(node.cordon).toEqual({ kind: "cordoned", reason: "new driver" });
  expect(await stored(keys.agent("n1").key)).toBe(true);
  await on.world.until("the rest is written", () => stored(keys.inventory(sha256("good")).key));
  expect(dropped()).toBe(2);
  expect(await stored(keys.inventory(sha256("big")).key)).toBe(false);
});

test("a label on a node whose record can never be written fails instead of waiting for ever", async () => {
  const node = on.fleet.meet("n1");
  node.version = "v".repeat(2 * MIB);
  await expect(on.world.get(on.admin.cordon("n1", ""))).rejects.toMatchObject({
    code: "internal",
    message: expect.stringContaining("bytes, at most"),
  });
});

test("batches are split by their bytes", async () => {
  const hashes = Array.from({ length: 8 }, (_, i) => sha256(`i${i}`));
  for (const hash of hashes) on.records.noteInventory(hash, { ...INVENTORY, os: "x".repeat(MIB / 3) });
  await on.world.until("all are written", async () =>
    (await Promise.all(hashes.map((hash) => stored(keys.inventory(hash).key)))).every(Boolean),
  );
  expect(dropped()).toBe(0);
});

test("in a store that takes no new keys those that are there are changed all the same", async () => {
  on.fleet.meet("n1");
  await on.world.get(on.admin.cordon("n1", "a"));
  on.world.core.closedFor = "the disk is full";
  on.records.noteInventory(sha256("new"), INVENTORY);
  await on.world.get(on.admin.cordon("n1", "b"));
  expect(await stored(keys.inventory(sha256("new")).key)).toBe(false);
  on.world.core.closedFor = undefined;
  await on.world.until("there is room", () => stored(keys.inventory(sha256("new")).key));
});
