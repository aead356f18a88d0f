/** Terms that begin, are lost, and cannot begin; over a real store that goes away and breaks. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { lineLogger } from "../shared/runtime/logger.js";
import { ManualClock } from "../test/conformance/manual-clock.js";
import { lead } from "./leading.js";
import { MemoryCore } from "./store/memory-core.js";
import { MemoryStore } from "./store/memory-store.js";
import { StoreError } from "./store/store.js";
import { serveTerms } from "./terms.js";

/** A store whose disk fails for good. */
class BreakableStore extends MemoryStore {
  breakNow(): void {
    this.break(new StoreError({ kind: "Unavailable", what: "the disk is gone" }));
  }
}

let clock: ManualClock;
let core: MemoryCore;
let store: BreakableStore;
let away: boolean;
let ending: AbortController;
let terms: { lost: AbortController; stopped: boolean }[];
let logs: string[];
let tried: number;

beforeEach(() => {
  clock = new ManualClock();
  core = new MemoryCore({ clock });
  away = false;
  const request = async () => {
    if (away) throw new StoreError({ kind: "Unavailable", what: "away" });
  };
  store = new BreakableStore(core, { clock, hook: { request, reply: async () => {} } });
  ending = new AbortController();
  terms = [];
  logs = [];
  tried = 0;
});
afterEach(async () => {
  ending.abort(new Error("the test ends"));
  await store.close();
  core.dispose();
});

async function begin(signal: AbortSignal) {
  tried += 1;
  const log = lineLogger((line) => logs.push(JSON.parse(line).msg));
  const random = { next: () => 0.5, id: (n: number) => "x".repeat(n) };
  const led = await lead(store, { replica: "r", address: "" }, { clock, random, log }, signal);
  const term = { lost: new AbortController(), stopped: false };
  terms.push(term);
  return {
    lost: term.lost.signal,
    async stop() {
      term.stopped = true;
      await led.resign().catch(() => {});
    },
  };
}

/** Terms until they end; how they ended. */
async function serve() {
  const log = lineLogger((line) => logs.push(JSON.parse(line).msg));
  const parts = { ending: ending.signal, broken: store.broken, clock, log, mustBegin: () => false };
  return serveTerms(begin, parts).then(
    () => "ended",
    (reason: unknown) => String(reason),
  );
}

/** What is awaited comes in time that the test moves. */
async function within<T>(answer: Promise<T>): Promise<T | "nothing came"> {
  let got: { value: T } | undefined;
  void answer.then((value) => {
    got = { value };
  });
  for (let waited = 0; got === undefined && waited < 60_000; waited += 500) await clock.advance(500);
  return got === undefined ? "nothing came" : got.value;
}

test("a term that is lost is ended, and the next one begins when the store is back", async () => {
  const served = serve();
  await clock.advance(10);
  away = true;
  terms[0]?.lost.abort();
  await clock.advance(30_000);
  expect(terms.map(({ stopped }) => stopped)).toEqual([true]);
  away = false;
  await clock.advance(10_000);
  expect(terms.map(({ stopped }) => stopped)).toEqual([true, false]);
  ending.abort(new Error("enough"));
  expect(await within(served)).toBe("ended");
  expect(terms.map(({ stopped }) => stopped)).toEqual([true, true]);
});

test("a store that breaks while leading is sought ends the trying", async () => {
  const served = serve();
  await clock.advance(10);
  away = true;
  terms[0]?.lost.abort();
  await clock.advance(5_000);
  store.breakNow();
  away = false;
  expect(await within(served)).toMatch(/the disk is gone/);
  expect(terms).toHaveLength(1);
});

test("a store that breaks under a leader ends the term and the trying", async () => {
  const served = serve();
  await clock.advance(10);
  store.breakNow();
  expect(await within(served)).toMatch(/the disk is gone/);
  expect([terms.map(({ stopped }) => stopped), tried]).toEqual([[true], 1]);
});
