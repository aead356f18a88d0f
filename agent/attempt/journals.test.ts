import { expect, test } from "vitest";
import type { ResultRecord } from "../../shared/benchmark/record.js";
import { systemClock } from "../../shared/runtime/clock.js";
import { lineLogger } from "../../shared/runtime/logger.js";
import { MemoryDisk } from "../../test/support/memory-disk.js";
import { assignment, fence } from "./attempts.test-support.js";
import { Journal } from "./journal.js";
import { readJournals } from "./journals.js";
import { written } from "./records-file.js";

const logs: string[] = [];
const log = lineLogger((line) => logs.push(line));

async function diskWith(...ns: number[]): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const parts = { disk, dir: "/j", sync: { records: 1, ms: 1 }, clock: systemClock };
  for (const n of ns) {
    const cluster = n > 10 ? "other" : "c1";
    const origin = () => ({ cluster, incarnation: 1n });
    const journal = await Journal.create({ ...parts, origin }, assignment(n));
    await journal.begin(0);
    await journal.begin(1);
    journal.record(written({ ordinal: 0 } as ResultRecord));
    await journal.close();
  }
  return disk;
}
const names = (disk: MemoryDisk) => [...disk.files.keys()].map((path) => path.slice(3)).sort();

test("a damaged journal is put in order, its damage kept aside and said, and it is used", async () => {
  const disk = await diskWith(1, 2);
  const sound = disk.text("/j/1.1.jsonl");
  const [first = "", ...rest] = sound.split("\n");
  disk.files.set("/j/1.1.jsonl", Buffer.from([first, "damage", ...rest].join("\n")));
  const found = await readJournals(disk, "/j", "c1", log);
  expect(found.map(({ assignment: a, records }) => [a.fence, records.length])).toEqual([
    [fence(1), 1],
    [fence(2), 1],
  ]);
  expect(names(disk)).toEqual(["1.1.jsonl", "1.1.jsonl.damaged", "1.2.jsonl"]);
  expect([disk.text("/j/1.1.jsonl"), disk.text("/j/1.1.jsonl.damaged")]).toEqual([sound, "damage\n"]);
  expect(logs.filter((line) => line.includes("damaged lines were moved aside"))).toHaveLength(1);
});

test("on a full disk a damaged journal stays as it is, and is used", async () => {
  const disk = await diskWith(1);
  const damaged = `${disk.text("/j/1.1.jsonl")}damage\n`;
  disk.files.set("/j/1.1.jsonl", Buffer.from(damaged));
  disk.full = true;
  expect(await readJournals(disk, "/j", "c1", log)).toMatchObject([{ records: [{ ordinal: 0 }] }]);
  expect(disk.text("/j/1.1.jsonl")).toBe(damaged);
});

test("what is no journal is moved aside, what a crash left before anything began goes, others are not touched", async () => {
  const disk = await diskWith(1);
  disk.files.set("/j/1.2.jsonl", Buffer.from("not a journal\n"));
  disk.files.set("/j/1.3.jsonl", Buffer.from(""));
  disk.files.set("/j/room", Buffer.from("x"));
  expect(await readJournals(disk, "/j", "c1", log)).toHaveLength(1);
  expect(names(disk)).toEqual(["1.1.jsonl", "1.2.jsonl.damaged", "room"]);
  expect(await readJournals(disk, "/j", "c1", log)).toHaveLength(1);
});

test("journals of another cluster are moved aside, all of them where no cluster is known any more", async () => {
  const disk = await diskWith(1, 11);
  expect(await readJournals(disk, "/j", "c1", log)).toHaveLength(1);
  expect(names(disk)).toEqual(["1.1.jsonl", "1.11.jsonl.foreign"]);
  expect(await readJournals(disk, "/j", "", log)).toEqual([]);
  expect(names(disk)).toEqual(["1.1.jsonl.foreign", "1.11.jsonl.foreign"]);
});
