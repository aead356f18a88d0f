/**
 * A share that hangs, in the real process that uses it: a named pipe that nobody writes to stands in for it, because
 * opening one blocks a thread as a hung mount does.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { until } from "../../../test/support/until.js";
import { systemClock } from "../../runtime/clock.js";
import { sha256 } from "../../runtime/hash.js";
import { collected, large } from "../promises.test-support.js";
import { casKey, recordsKey } from "../store.js";
import { NfsStore } from "./nfs-store.js";

/** A process of its own has to start before it can answer; nothing here waits for it to be over but what hangs. */
const PATIENT = { answerMs: 20_000, leastBytesPerS: 1e6 };
const key = (shard: number) => recordsKey("c-1", "j0000", shard, "1.1");

let dir: string;
let store: NfsStore;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "sai-nfs-"));
  store = new NfsStore(dir, { clock: systemClock, limits: PATIENT });
});
afterEach(async () => {
  await store.close();
  rmSync(dir, { recursive: true });
});

/** Reading this key hangs. */
function hang(at: string): string {
  const path = join(dir, at);
  mkdirSync(dirname(path), { recursive: true });
  execFileSync("mkfifo", [path]);
  return path;
}

test("what hangs is unavailable at its deadline, with all else that was asked, and the next call works", async () => {
  await store.put(key(1), Buffer.from("one"));
  PATIENT.answerMs = 500;
  try {
    const pipe = hang(key(2));
    const hung = Promise.allSettled([1, 2, 3, 4, 5].map(() => store.get(key(2))));
    for (const one of await hung)
      expect(one).toMatchObject({
        status: "rejected",
        reason: {
          code: "unavailable",
          message: expect.stringMatching(/cannot be used/),
          hint: expect.any(String),
        },
      });
    rmSync(pipe);
  } finally {
    PATIENT.answerMs = 20_000;
  }
  await again(async () => expect((await store.get(key(1))).toString()).toBe("one"));
});

test("an upload that was under way in a process that ended is refused, and may be made anew", async () => {
  const blob = await store.receive(sha256("in pieces"));
  await blob.write(Buffer.from("in "));
  process.kill(await pidOf(dir), "SIGKILL");
  await expect(blob.write(Buffer.from("pieces"))).rejects.toMatchObject({ code: "unavailable" });
  await expect(blob.commit()).rejects.toMatchObject({ code: "unavailable" });
  await blob.abort();
  const next = await store.receive(sha256("in pieces"));
  await next.write(Buffer.from("in pieces"));
  expect(await next.commit()).toEqual({ sha256: sha256("in pieces"), stored: true });
  await next.abort();
  expect((await store.get(casKey(sha256("in pieces")))).toString()).toBe("in pieces");
  // What the first one left is old enough for the sweep.
  expect(await store.removeLeftovers(-60_000)).toBe(1);
});

test("a blob or a list that comes in pieces never ends early because its process did", async () => {
  await store.put(key(1), large(1));
  const [blob, list] = [store.read(key(1)), store.list("run/")];
  for (const stream of [blob, list]) await stream.next();
  const pid = await pidOf(dir);
  process.kill(pid, "SIGKILL");
  await until("it is gone", () => !isThere(pid));
  // Nobody else has asked anything, so that there is no other process yet.
  await expect(collected(blob)).rejects.toMatchObject({ code: "unavailable" });
  await expect(collected(list)).rejects.toMatchObject({ code: "unavailable" });
  expect(await collected(store.list("run/"))).toEqual([key(1)]);
});

const isThere = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

test("the process ends with its owner's store", async () => {
  await store.put(key(1), Buffer.from("one"));
  const pid = await pidOf(dir);
  await store.close();
  expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  await expect(store.get(key(1))).rejects.toMatchObject({ code: "unavailable" });
});

/** Until what was killed is gone calls are refused at once. */
async function again(work: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries === 200 || !/hangs and cannot be ended/.test(String(error))) throw error;
      await systemClock.sleep(10);
    }
  }
}

/** The process whose argument the folder is. */
async function pidOf(folder: string): Promise<number> {
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const line = await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "");
    if (line.includes("nfs/child/main") && line.includes(folder)) return Number(name);
  }
  throw new Error("there is no process for this store");
}
