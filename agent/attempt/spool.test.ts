import { expect, test } from "vitest";
import type { ArtifactStore } from "../../shared/artifacts/store.js";
import type { ResultRecord } from "../../shared/benchmark/record.js";
import { SaiError } from "../../shared/runtime/errors.js";
import { sha256 } from "../../shared/runtime/hash.js";
import { lineLogger } from "../../shared/runtime/logger.js";
import { systemRandom } from "../../shared/runtime/random.js";
import { ManualClock, settle } from "../../test/conformance/manual-clock.js";
import { MemoryDisk } from "../../test/support/memory-disk.js";
import { assignment, fence } from "./attempts.test-support.js";
import { Journal } from "./journal.js";
import { readJournal } from "./journals.js";
import { recordsFile, written } from "./records-file.js";
import { Spool } from "./spool.js";

/** A spool with complete attempts in its journals, and a store that can be away or silent. */
function spoolOf() {
  const clock = new ManualClock();
  const disk = new MemoryDisk();
  const state = { away: false, silent: false, atOnce: 0, mostAtOnce: 0, puts: 0 };
  const blobs = new Map<string, Buffer>();
  const artifacts = {
    location: "memory",
    async put(key: string, data: Uint8Array) {
      state.puts += 1;
      state.atOnce += 1;
      state.mostAtOnce = Math.max(state.mostAtOnce, state.atOnce);
      await settle();
      state.atOnce -= 1;
      if (state.silent) await new Promise(() => {});
      if (state.away) throw new SaiError("unavailable", "not mounted");
      blobs.set(key, Buffer.from(data));
    },
  } as unknown as ArtifactStore;
  const origin = () => ({ cluster: "c", incarnation: 1n });
  const journals = { disk, dir: "/j", sync: { records: 99, ms: 99 }, origin, clock };
  const logs: string[] = [];
  const news: string[] = [];
  const log = lineLogger((line) => logs.push(line));
  const spool = new Spool(
    { artifacts, journals, clock, random: systemRandom, log },
    {
      stored: ({ n }) => void news.push(`stored ${n}`),
      lost: ({ n }, reason) => void news.push(`lost ${n}: ${reason}`),
    },
  );
  /** A complete attempt: its result and its records file. */
  const complete = async (n: number) => {
    const journal = await Journal.create(journals, assignment(n));
    const record = written({ ordinal: 0, status: "ok", output: `${n}`.repeat(2000) } as ResultRecord);
    journal.record(record);
    await journal.flush();
    await journal.close();
    return recordsFile(assignment(n), [record]);
  };
  return { spool, complete, state, blobs, clock, disk, news, logs };
}

test("records are stored a few at a time, and the journal says so", async () => {
  const { spool, complete, state, blobs, news, disk, clock } = spoolOf();
  for (let n = 1; n <= 10; n += 1) {
    const { result, bytes } = await complete(n);
    spool.add(result, bytes);
  }
  await clock.advance(100);
  for (let i = 0; i < 20; i += 1) await settle();
  expect([news.length, state.mostAtOnce, blobs.size]).toEqual([10, 4, 10]);
  expect((await readJournal(disk, "/j", fence(1)))?.end.kind).toBe("stored");
  expect(clock.pendingTimers).toBe(0);
});

test("a store that is away is asked by one at a time; when it is back all are stored, every hash right", async () => {
  const { spool, complete, state, blobs, news, clock, logs } = spoolOf();
  state.away = true;
  const made = [];
  for (let n = 1; n <= 10; n += 1) {
    const file = await complete(n);
    made.push(file);
    spool.add(file.result, file.bytes);
  }
  for (let i = 0; i < 6_000; i += 1) await clock.advance(100);
  // Pauses grow to 60 s with full jitter: some 25 tries in ten minutes, not ten times as many.
  expect(state.puts).toBeGreaterThan(10);
  expect(state.puts).toBeLessThan(60);
  expect([news, blobs.size]).toEqual([[], 0]);
  state.away = false;
  for (let i = 0; i < 610; i += 1) await clock.advance(100);
  expect(news).toHaveLength(10);
  for (const { result } of made) expect(sha256(blobs.get(result.uri) ?? "")).toBe(result.sha256);
  expect(logs.filter((line) => line.includes("is away"))).toHaveLength(1);
  expect(logs.filter((line) => line.includes("is back"))).toHaveLength(1);
});

test("a put that never ends is given up after a while and tried again", async () => {
  const { spool, complete, state, news, clock } = spoolOf();
  state.silent = true;
  const { result, bytes } = await complete(1);
  spool.add(result, bytes);
  await clock.advance(100_000);
  expect(news).toEqual([]);
  state.silent = false;
  await clock.advance(60_000);
  expect(news).toEqual(["stored 1"]);
});

test("a put has time for what it moves: a large file on a slow store is not begun anew for ever", async () => {
  const { spool, state, news, clock } = spoolOf();
  state.silent = true;
  const { result } = recordsFile(assignment(1), [
    written({ ordinal: 0, status: "ok", output: "1".repeat(2000) } as ResultRecord),
  ]);
  spool.add(result, Buffer.alloc(32 * 1024 * 1000));
  // 30 MB take a minute each way at the slowest that a store waits for, four at once four.
  await clock.advance(600_000);
  expect([state.puts, news]).toEqual([1, []]);
  spool.close();
});

test("records that their journal has lost are said to be lost, not made up", async () => {
  const { spool, complete, disk, news } = spoolOf();
  const { result } = await complete(1);
  disk.files.delete("/j/1.1.jsonl");
  spool.add(result);
  for (let i = 0; i < 5; i += 1) await settle();
  expect(news).toEqual(["lost 1: the journal of 1.1 lost records that it had"]);
});

test("records that are others than were told are not stored under the hash that was", async () => {
  const { spool, complete, disk, news, blobs } = spoolOf();
  const { result } = await complete(1);
  const path = "/j/1.1.jsonl";
  const [head = "", ...records] = disk.text(path).split("\n");
  disk.files.set(path, Buffer.from([head, ...records.map((line) => line.replace("111", "222"))].join("\n")));
  spool.add(result);
  for (let i = 0; i < 5; i += 1) await settle();
  expect([news.length, news[0]?.startsWith("lost 1"), blobs.size]).toEqual([1, true, 0]);
});

test("what was dropped is not stored later, and its journal is not written again", async () => {
  const { spool, complete, state, news, disk, clock, blobs } = spoolOf();
  state.away = true;
  for (const n of [1, 2]) {
    const { result, bytes } = await complete(n);
    spool.add(result, bytes);
  }
  await spool.drop(fence(1));
  await disk.remove("/j/1.1.jsonl");
  state.away = false;
  await clock.advance(20_000);
  expect([news, blobs.size, [...disk.files.keys()]]).toEqual([["stored 2"], 1, ["/j/1.2.jsonl"]]);
});
