import { expect, test } from "vitest";
import { MemoryDisk } from "../../test/support/memory-disk.js";
import { Identity } from "./identity.js";

const open = (disk: MemoryDisk) => Identity.open(disk, "/a", "n1", 3n);
const writes = (disk: MemoryDisk) => disk.calls.filter((call) => call.startsWith("write")).length;

test("the highest epoch is on the disk before it is acted on, and written only when it changes", async () => {
  const disk = new MemoryDisk();
  const identity = await open(disk);
  expect(identity.envelope()).toEqual({ clusterId: "", epoch: 0n, agentId: "n1", incarnation: 3n });
  expect(identity.knows("c", 4n)).toBe(false);
  await identity.learn("c", 4n);
  expect(JSON.parse(disk.text("/a/identity.json"))).toEqual({ v: 1, clusterId: "c", epoch: "4" });
  expect([identity.knows("c", 4n), writes(disk)]).toEqual([true, 1]);

  disk.full = true;
  await expect(identity.learn("c", 9n)).rejects.toMatchObject({ code: "resource_exhausted" });
  expect(identity.envelope().epoch).toBe(4n);
  disk.full = false;
  await identity.learn("c", 9n);

  const next = await open(disk);
  await expect(next.learn("c", 8n)).rejects.toMatchObject({
    code: "failed_precondition",
    hint: expect.stringContaining("no longer leads"),
  });
  expect(next.envelope()).toMatchObject({ clusterId: "c", epoch: 9n });
});

test("an epoch that a full disk did not take deposes those below it all the same", async () => {
  const disk = new MemoryDisk();
  const identity = await open(disk);
  await identity.learn("c", 4n);
  disk.full = true;
  await expect(identity.learn("c", 9n)).rejects.toMatchObject({ code: "resource_exhausted" });
  expect(identity.knows("c", 4n)).toBe(false);
  for (const older of [4n, 8n]) {
    await expect(identity.learn("c", older)).rejects.toMatchObject({
      code: "failed_precondition",
      message: `a message of epoch ${older} came after one of epoch 9`,
    });
  }
  disk.full = false;
  await identity.learn("c", 9n);
  expect(identity.knows("c", 9n)).toBe(true);
});

test("another cluster is refused, and the error says how to move there", async () => {
  const disk = new MemoryDisk();
  await (await open(disk)).learn("c", 4n);
  const identity = await open(disk);
  const error = await identity.learn("d", 100n).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: "failed_precondition",
    message: "this coordinator belongs to cluster d, this agent to c",
    hint: expect.stringMatching(/stop it, remove \/a\/identity\.json, and start it again/),
  });
  await expect(identity.learn("", 5n)).rejects.toMatchObject({ code: "failed_precondition" });
  disk.files.delete("/a/identity.json");
  const moved = await open(disk);
  await moved.learn("d", 1n);
  expect(moved.clusterId).toBe("d");
});

test.each([
  "",
  "{}",
  '{"clusterId":"c"}',
  '{"clusterId":"","epoch":"1"}',
  '{"clusterId":"c","epoch":-1}',
])("a file that says %j is not taken for nothing", async (text) => {
  const disk = new MemoryDisk();
  disk.files.set("/a/identity.json", Buffer.from(text));
  await expect(open(disk)).rejects.toMatchObject({ code: "failed_precondition" });
});
