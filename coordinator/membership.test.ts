import { expect, test } from "vitest";
import { MemoryDisk } from "../test/support/memory-disk.js";
import { Membership } from "./membership.js";

test("the first cluster is noted; another's store and an empty one are refused from then on", async () => {
  const disk = new MemoryDisk();
  const first = await Membership.open(disk, "/c");
  first.check(undefined);
  first.check("x");
  await first.join("x");
  for (const one of [first, await Membership.open(disk, "/c")]) {
    one.check("x");
    expect(() => one.check("y")).toThrow(
      expect.objectContaining({
        code: "config",
        message: "this state store belongs to cluster y, this coordinator to x",
        hint: expect.stringMatching(/store\.endpoints.*remove \/c\/cluster\.json/),
      }),
    );
    expect(() => one.check(undefined)).toThrow(/newly initialised.*belongs to cluster x/);
    await one.join("y");
  }
  expect(JSON.parse(disk.text("/c/cluster.json"))).toEqual({ v: 1, clusterId: "x" });
});

test("a store of one's own cannot be another's", async () => {
  const disk = new MemoryDisk();
  const mine = await Membership.open(disk, undefined);
  await mine.join("x");
  mine.check("y");
  expect(disk.files.size).toBe(0);
});

test.each(["", "{}", '{"clusterId":""}'])("a file that says %j is not taken for nothing", async (text) => {
  const disk = new MemoryDisk();
  disk.files.set("/c/cluster.json", Buffer.from(text));
  await expect(Membership.open(disk, "/c")).rejects.toMatchObject({ code: "config" });
});
