/** The embedded store on a disk that is full, in a process of its own. */
import { closeSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { type SmallDisk, smallDisk } from "../support/small-disk.js";
import { type StoreProcess, startStoreProcess } from "../support/store-process.js";
import { until } from "../support/until.js";

const processes: StoreProcess[] = [];
let disk: SmallDisk;
afterEach(async () => {
  await Promise.all(processes.splice(0).map((p) => p.kill()));
  disk.close();
});

function start(): StoreProcess {
  const started = startStoreProcess(disk.shell === undefined ? {} : { shell: disk.shell });
  processes.push(started);
  return started;
}

test("a full disk: new work is refused and says why, nothing is lost, and it goes on by itself", async () => {
  disk = smallDisk(16 * 1024 ** 2);
  const folder = join(disk.folder, "state");
  let store = start();
  await store.ask({ do: "open", folder });
  await store.ask({ do: "lead", ttlMs: 6_000 }); // whose end the next process has to write on a full disk

  const acked: string[] = [];
  const put = (name: string) =>
    store.ask({ do: "txn", puts: [`/t/${name}/a`, `/t/${name}/b`], bytes: 50_000 });
  let refusal: string | undefined;
  for (let i = 0; refusal === undefined; i++) {
    const answer = await put(`${i}`);
    if (answer["error"] === undefined) acked.push(`/t/${i}/a`, `/t/${i}/b`);
    else refusal = String(answer["error"]);
  }
  expect(acked.length).toBeGreaterThan(20);
  expect(refusal).toMatch(/takes nothing new: the disk that holds .*\/state is full; free some megabytes/);
  expect((await store.ask({ do: "usage" }))["closedFor"]).toContain("is full");
  const keys = async () => (await store.ask({ do: "list" }))["keys"] as string[];
  const listed = async () => (await keys()).filter((key) => key.startsWith("/t/")).sort();
  expect(await listed()).toEqual([...acked].sort());

  // What makes room still works: one process ends and another opens the full disk, changes and deletes.
  await store.kill();
  store = start();
  expect(await store.ask({ do: "open", folder })).toEqual({ opened: true });
  expect(await listed()).toEqual([...acked].sort());
  expect(await keys()).toEqual(await listed());
  if (disk.how === "tmpfs") {
    expect(await store.ask({ do: "txn", puts: ["/t/0/a"], dels: ["/t/0/b"] })).toEqual({
      rev: expect.anything(),
    });
    acked.splice(acked.indexOf("/t/0/b"), 1);
    expect((await put("new"))["error"]).toMatch(/takes nothing new/);
    expect(await listed()).toEqual([...acked].sort());
  }

  disk.makeRoom(store.pid);
  await until("new work is taken again", async () => (await put("again"))["error"] === undefined);
  acked.push("/t/again/a", "/t/again/b");
  expect((await store.ask({ do: "usage" }))["closedFor"]).toBeUndefined();
  await store.kill();
  store = start();
  await store.ask({ do: "open", folder });
  expect(await listed()).toEqual([...acked].sort());
  rmSync(folder, { recursive: true });
}, 120_000);

test("a whole reserve outlives a disk that is full for others, and pays for deletions then", async ({
  skip,
}) => {
  disk = smallDisk(16 * 1024 ** 2);
  skip(disk.how !== "tmpfs", "a disk that others fill cannot be mounted here");
  const folder = join(disk.folder, "state");
  const store = start();
  await store.ask({ do: "open", folder });
  for (const name of ["a", "b", "c"])
    expect((await store.ask({ do: "txn", puts: [`/t/${name}`], bytes: 50_000 }))["error"]).toBeUndefined();
  const reserve = () => statSync(join(folder, "reserve")).size;
  const whole = reserve();
  fillUp(join(disk.folder, "log"));
  // Each second it is looked whether there is room again: two such looks.
  expect((await store.ask({ do: "txn", puts: ["/t/d"] }))["error"]).toMatch(/takes nothing new/);
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  fillUp(join(disk.folder, "more"));
  expect(whole).toBe(4 * 1024 ** 2);
  expect(reserve()).toBe(whole);
  expect(await store.ask({ do: "txn", puts: ["/t/a"], dels: ["/t/b"] })).toEqual({ rev: expect.anything() });
  // Now nothing is left: refused, not written.
  fillUp(join(disk.folder, "rest"));
  expect((await store.ask({ do: "txn", puts: ["/t/a"], dels: ["/t/c"] }))["error"]).toBeDefined();
  expect(store.errors()).not.toContain("Write error");
}, 60_000);

/** Takes what room there is. */
function fillUp(path: string): void {
  const file = openSync(path, "w");
  try {
    for (;;) writeSync(file, new Uint8Array(64 * 1024));
  } catch {
    closeSync(file);
  }
}
