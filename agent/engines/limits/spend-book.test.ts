import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Disk, nodeDisk } from "../../../shared/runtime/disk.js";
import { SaiError } from "../../../shared/runtime/errors.js";
import { engineErrorOf, never } from "../../../test/support/inference.js";
import { SpendBook } from "./spend-book.js";

const DAY_MS = 86_400_000;
let dir: string;
let wallMs: number;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "sai-spend-"));
  wallMs = Date.UTC(2026, 10, 23, 12);
});
afterEach(() => rmSync(dir, { recursive: true }));

const bookOf = (limitUsd: number, disk: Disk = nodeDisk) =>
  new SpendBook({
    ...{ disk, limitUsd, key: "engines.openai.max_spend_usd", clock: { wallMs: () => wallMs } },
    path: join(dir, "spend", "openai.json"),
  });

test("nothing begins that could go beyond the limit, and the message says what to do", async () => {
  const book = bookOf(1);
  (await book.reserve(0.6, never())).settle(0.5);
  const error = await engineErrorOf(book.reserve(0.51, never()));
  expect([error.kind, error.class]).toEqual(["engine", "spend_limit"]);
  expect(error.message).toBe(
    "engines.openai.max_spend_usd: $0.50 of $1.00 are spent on 2026-11-23 (UTC), and this request may cost $0.51; " +
      "nothing more is sent until tomorrow; raise the limit, or ask for fewer tokens (max_tokens)",
  );
  (await book.reserve(0.5, never())).settle(0.5);
});

test("where only what is in flight stands in the way, its end is waited for", async () => {
  const book = bookOf(1);
  const [first, second] = [await book.reserve(0.5, never()), await book.reserve(0.5, never())];
  let isIn = false;
  const third = book.reserve(0.5, never()).then((reserved) => {
    isIn = true;
    return reserved;
  });
  second.settle(0.1);
  first.settle(0.2);
  first.settle(0.2); // twice is once
  (await third).settle(0.5);
  expect(isIn).toBe(true);
  (await book.reserve(0.2, never())).settle(0);

  const [held, giving] = [await book.reserve(0.2, never()), new AbortController()];
  const given = book.reserve(0.1, giving.signal);
  giving.abort(new Error("not any more"));
  await expect(given).rejects.toThrow("not any more");
  held.settle(0);
});

test("a start after a crash knows at least what was spent, one after an orderly end exactly that", async () => {
  const crashed = bookOf(1);
  (await crashed.reserve(0.3, never())).settle(0.25);
  await crashed.reserve(0.3, never()); // in flight when it crashed
  const after = bookOf(1);
  expect((await engineErrorOf(after.reserve(0.46, never()))).class).toBe("spend_limit");
  (await after.reserve(0.4, never())).settle(0.05);
  await after.close();
  const error = await engineErrorOf(bookOf(1).reserve(0.5, never()));
  expect(error.message).toMatch(/\$0\.6[0-2] of \$1\.00/);
});

test("however it goes, what was sent never costs more than the limit, over crashes too", async () => {
  const step = fc.record({
    usd: fc.double({ min: 0.001, max: 0.4, noNaN: true }),
    used: fc.double({ min: 0, max: 1, noNaN: true }),
    crash: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 12 }), async (steps) => {
      rmSync(join(dir, "spend"), { recursive: true, force: true });
      let book = bookOf(1);
      let spentUsd = 0;
      for (const { usd, used, crash } of steps) {
        const reserved = await book.reserve(usd, never()).catch(() => undefined);
        if (reserved === undefined) continue;
        spentUsd += usd * used;
        if (crash) book = bookOf(1);
        else reserved.settle(usd * used);
      }
      expect(spentUsd).toBeLessThanOrEqual(1);
      await book.close();
    }),
    { numRuns: 20 },
  );
});

test("a new day begins at 0, and a clock that goes back begins none", async () => {
  const book = bookOf(1);
  (await book.reserve(1, never())).settle(1);
  wallMs += DAY_MS;
  (await book.reserve(1, never())).settle(1);
  wallMs -= 2 * DAY_MS;
  expect((await engineErrorOf(book.reserve(0.1, never()))).class).toBe("spend_limit");
});

test("a disk that is full at the end keeps nobody from ending, and nothing that was spent is forgotten", async () => {
  let isFull = false;
  const disk: Disk = {
    ...nodeDisk,
    writeAtomic: (path, data) =>
      isFull ? Promise.reject(new SaiError("resource_exhausted", "full")) : nodeDisk.writeAtomic(path, data),
  };
  const book = bookOf(1, disk);
  (await book.reserve(1, never())).settle(0.9);
  isFull = true;
  await book.close();
  expect((await engineErrorOf(bookOf(1).reserve(0.2, never()))).class).toBe("spend_limit");
});

test("what cannot be noted or read is not sent", async () => {
  const full = { ...nodeDisk, writeAtomic: () => Promise.reject(new SaiError("resource_exhausted", "full")) };
  const error = await engineErrorOf(bookOf(1, full).reserve(0.1, never()));
  expect([error.kind, error.class]).toEqual(["transient", "spend_not_noted"]);
  await nodeDisk.mkdir(join(dir, "spend"));
  writeFileSync(join(dir, "spend", "openai.json"), '{"v":1,"day":"2026-');
  const unread = await engineErrorOf(bookOf(1).reserve(0.1, never()));
  expect([unread.class, unread.message.includes("remove the file")]).toEqual(["spend_unknown", true]);
});
