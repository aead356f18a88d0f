import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { ResultRecord } from "../../shared/benchmark/record.js";
import { systemClock } from "../../shared/runtime/clock.js";
import { nodeDisk } from "../../shared/runtime/disk.js";
import type { Assignment, ShardResult } from "./assignment.js";
import { Journal, readJournals } from "./journal.js";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "sai-journal-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

const fence = { epoch: 3n, n: 7n };
const shard = { campaign: "c", job: "j0000", index: 2, first: 32, count: 16 };
const assignment = { fence, shard, gate: 9n, planSha256: "0".repeat(64), lane: "cpu", deadlineMs: 1000 };
const record = (ordinal: number) => ({ ordinal, output: "x".repeat(500) }) as ResultRecord;
const create = (sync = { records: 2, ms: 60_000 }) =>
  Journal.create(nodeDisk, dir, assignment as Assignment, systemClock, sync);
const lines = () =>
  readFileSync(join(dir, "3.7.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { k: string; ordinal?: number; record?: { ordinal: number } })
    .map(({ k, ordinal, record: r }) => [k, ordinal ?? r?.ordinal]);

test("a sample's begin is in the file before it starts, behind the record of the one before", async () => {
  const journal = await create();
  await journal.begin(32);
  expect(lines()).toEqual([
    ["attempt", undefined],
    ["begin", 32],
  ]);
  journal.record(record(32));
  await journal.begin(33);
  expect(lines().slice(2)).toEqual([
    ["record", 32],
    ["begin", 33],
  ]);
  expect((await readJournals(nodeDisk, dir)).unfinished).toMatchObject([
    { assignment: { fence }, begun: [33] },
  ]);
  await journal.close();
});

test("flush waits for records nothing followed, and close leaves them whole", async () => {
  const journal = await create();
  for (let ordinal = 32; ordinal < 37; ordinal++) journal.record(record(ordinal));
  await journal.flush();
  expect(lines()).toHaveLength(6);
  journal.record(record(37));
  await journal.close();
  expect(lines().at(-1)).toEqual(["record", 37]);
});

test("a stored result comes back, and a torn last line is no obstacle", async () => {
  const journal = await create();
  const counts = { ok: 16 };
  const result = { fence, shard, gate: 9n, sha256: "a", sizeBytes: 3, counts, uri: "", inline: undefined };
  await journal.uploaded({ ...result, inline: Buffer.from("abc") } as ShardResult);
  await journal.close();
  writeFileSync(
    join(dir, "4.1.jsonl"),
    `${readFileSync(join(dir, "3.7.jsonl"), "utf8").split("\n")[0]}\n{"k":"beg`,
  );
  const found = await readJournals(nodeDisk, dir);
  expect(found.uploaded).toMatchObject([{ result: { ...result, inline: Buffer.from("abc") } }]);
  expect(found.unfinished).toMatchObject([{ begun: [] }]);
});

test("a journal that cannot be written says so at the next begin and at flush, never silently", async () => {
  const journal = await create();
  await journal.close();
  journal.record(record(32));
  await expect(journal.begin(33)).rejects.toThrow(/cannot write the journal .*3\.7\.jsonl/);
  await expect(journal.flush()).rejects.toThrow(/cannot write the journal/);
});

test("a file that is no journal is moved aside and named, a torn first line goes, and the others are read", async () => {
  const journal = await create();
  await journal.begin(32);
  await journal.close();
  writeFileSync(join(dir, "1.1.jsonl"), '{"k":"attempt","assignment":"{\\"fence"}\n');
  writeFileSync(join(dir, "1.2.jsonl"), '{"k":"attempt","assignment":"{\\"fence\\":\\"x\\"}"}\n');
  writeFileSync(join(dir, "1.3.jsonl"), '{"k":"begin","ordinal":1}\n');
  writeFileSync(join(dir, "1.4.jsonl"), '{"k":"atte');
  const found = await readJournals(nodeDisk, dir);
  expect(found.damaged).toEqual(["1.1.jsonl", "1.2.jsonl", "1.3.jsonl"]);
  expect(found.unfinished).toHaveLength(1);
  expect(readdirSync(dir).sort()).toEqual([
    "1.1.jsonl.damaged",
    "1.2.jsonl.damaged",
    "1.3.jsonl.damaged",
    "3.7.jsonl",
  ]);
  expect((await readJournals(nodeDisk, dir)).damaged).toEqual([]);
});
