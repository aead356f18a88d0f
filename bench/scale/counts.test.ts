import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { countRecords, countRuns } from "./counts.js";

const counts = (...each: number[]) => Buffer.from(each).toString("base64");

test("runs of several processes are added up by job", () => {
  const all = [{ a: counts(1, 0, 1), b: counts(1) }, { a: counts(0, 0, 1, 1) }];
  expect(countRuns(all)).toEqual({ ran: 4, ranTwice: 1 });
});

test("records are counted in manifests alone, and those of one shard once", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sai-counts-"));
  try {
    mkdirSync(join(folder, "ab"));
    const line = (index: number) => `{"fence":"1","index":${index},"inline":"eyJpbmRleCI6OX0K"}`;
    const head = '{"campaign":"c","job":"j","v":1}';
    writeFileSync(join(folder, "ab/one"), `${[head, line(0), line(1), line(1)].join("\n")}\n`);
    writeFileSync(join(folder, "ab/other"), `{"something":"else"}\n${line(7)}\n`);
    expect(await countRecords(folder)).toEqual({ recorded: 2, recordedTwice: 1 });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
