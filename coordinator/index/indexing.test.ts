/** The loop that keeps the index up, with a fake in the place of the database's thread, under a clock of the test's own. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { SaiError } from "../../shared/runtime/errors.js";
import { lineLogger } from "../../shared/runtime/logger.js";
import { systemRandom } from "../../shared/runtime/random.js";
import { ManualClock, settle } from "../../test/conformance/manual-clock.js";
import { Board } from "../campaigns/board.js";
import type { CampaignValue } from "../store/values.js";
import type { IndexCalls } from "./calls.js";
import { Indexing, LOOK_MS } from "./indexing.js";

/** FAKE: what a database would have, and the moments at which it does not answer. */
class FakeIndex {
  isOpen = false;
  away: SaiError | undefined;
  current = 1;
  building: number | undefined;
  readonly has = new Map<number, string[]>([[1, []]]);
  /** A campaign whose end cannot be written. */
  refuses = "";
  /** A campaign at whose end the database goes away. */
  leavesAt = "";
  /** What generations had when they began to answer. */
  readonly switchedWith: string[][] = [];
  asked = 0;

  readonly calls = {
    open: () => this.answer(() => ({ version: "Fake 1", generations: this.generations() })),
    ingestedCampaigns: (generation: number) => this.answer(() => [...(this.has.get(generation) ?? [])]),
    ingestedShards: () => this.answer(() => []),
    finishCampaign: (generation: number, { id }: { id: string }) =>
      this.answer(() => {
        if (id === this.leavesAt) {
          this.away = AWAY;
          throw AWAY;
        }
        if (id === this.refuses) throw new SaiError("internal", "a row the database refuses");
        this.has.set(generation, [...(this.has.get(generation) ?? []), id]);
      }),
    forgetCampaign: (generation: number, id: string) =>
      this.answer(() => {
        this.has.set(
          generation,
          (this.has.get(generation) ?? []).filter((one) => one !== id),
        );
      }),
    beginGeneration: () =>
      this.answer(() => {
        this.building ??= this.current + 1;
        return this.building;
      }),
    switchGeneration: (to: number) =>
      this.answer(() => {
        this.switchedWith.push([...(this.has.get(to) ?? [])]);
        [this.current, this.building] = [to, undefined];
      }),
    tidy: () => this.answer(() => {}),
  } as unknown as IndexCalls;

  async close(): Promise<void> {
    this.isOpen = false;
  }

  private generations() {
    return { current: this.current, building: this.building };
  }

  private async answer<T>(make: () => T): Promise<T> {
    this.isOpen = true;
    this.asked += 1;
    if (this.away) throw this.away;
    return make();
  }
}

const AWAY = new SaiError("unavailable", "the database does not answer");
let clock: ManualClock;
let board: Board;
let fake: FakeIndex;
let behind: (number | undefined)[];
let lines: string[];
let indexing: Indexing;

beforeEach(() => {
  clock = new ManualClock();
  board = new Board();
  fake = new FakeIndex();
  [behind, lines] = [[], []];
  indexing = make({});
});
afterEach(() => indexing.stop());

function make(more: { eager?: boolean; retentionMs?: number }): Indexing {
  const notFound = async () => Promise.reject(new SaiError("not_found", "nothing here"));
  return new Indexing({
    ...{ board, clock, random: systemRandom, eager: more.eager ?? true, retentionMs: more.retentionMs },
    thread: fake,
    results: { linesOf: notFound },
    artifacts: { location: "memory", put: notFound, get: notFound, size: notFound, remove: notFound },
    metrics: { setIndex: (said) => void behind.push(said.behind), countIndexed: () => {} },
    log: lineLogger((line) => void lines.push(line), "info"),
  });
}

let n = 0;
function ended(id: string): void {
  n += 1;
  const state = { kind: "SUCCEEDED" as const, sinceMs: clock.wallMs(), reason: "" };
  board.add({ id, state, endedMs: clock.wallMs() + n } as CampaignValue);
}

async function looks(times = 1): Promise<void> {
  for (let i = 0; i < times; i++) {
    indexing.look();
    await settle();
    await clock.advance(LOOK_MS);
  }
}

test("what has ended comes in, oldest first, and nothing is asked while there is nothing to do", async () => {
  ended("c-1");
  ended("c-2");
  await looks();
  expect(fake.has.get(1)).toEqual(["c-1", "c-2"]);
  expect(indexing.status()).toMatchObject({ state: "current", behind: 0, database: "Fake 1", problem: "" });
  const { asked } = fake;
  await looks(5);
  expect(fake.asked).toBe(asked);
});

test("a database that is away is told, tried less and less often, and caught up with", async () => {
  fake.away = AWAY;
  ended("c-1");
  ended("c-2");
  await looks(60);
  expect(indexing.status()).toMatchObject({
    state: "away",
    behind: 2,
    problem: "the database does not answer",
  });
  expect(behind.at(-1)).toBe(2);
  expect(fake.asked).toBeLessThan(20);
  expect(lines.filter((line) => line.includes("is behind"))).toHaveLength(1);
  await expect(indexing.ask((calls) => calls.ingestedCampaigns(1))).rejects.toThrow(
    "the database does not answer",
  );
  fake.away = undefined;
  await looks(60);
  expect(fake.has.get(1)).toEqual(["c-1", "c-2"]);
  expect(indexing.status()).toMatchObject({ state: "current", behind: 0, problem: "" });
  expect(lines.filter((line) => line.includes("goes on"))).toHaveLength(1);
});

test("a campaign that cannot come in keeps no other out, is named, and is tried again after an hour", async () => {
  fake.refuses = "c-1";
  ended("c-1");
  ended("c-2");
  await looks(3);
  expect(fake.has.get(1)).toEqual(["c-2"]);
  expect(indexing.status()).toMatchObject({
    state: "behind",
    behind: 1,
    problem: "c-1: a row the database refuses",
  });
  fake.refuses = "";
  await clock.advance(3_600_000);
  await looks(2);
  expect(fake.has.get(1)).toEqual(["c-2", "c-1"]);
  expect(indexing.status()).toMatchObject({ state: "current", problem: "" });
});

test("campaigns that are gone or expired leave it", async () => {
  indexing = make({ retentionMs: 1000 * LOOK_MS });
  fake.has.set(1, ["c-gone"]);
  ended("c-1");
  await looks(2);
  expect(fake.has.get(1)).toEqual(["c-1"]);
  await clock.advance(1001 * LOOK_MS);
  await looks(2);
  expect(fake.has.get(1)).toEqual([]);
  expect(indexing.status()).toMatchObject({ behind: 0 });
});

test("another generation answers once it has all that has ended, also what ended while it was built", async () => {
  ended("c-1");
  await looks();
  expect(await indexing.reindex()).toBe(2);
  ended("c-2");
  await settle();
  await looks(2);
  expect(fake.current).toBe(2);
  expect(fake.has.get(2)).toEqual(["c-1", "c-2"]);
  expect(indexing.status()).toMatchObject({ generation: 2, building: 0, state: "current" });
});

test("another generation that is cut off half built does not answer; it goes on, and answers whole", async () => {
  for (const id of ["c-1", "c-2", "c-3"]) ended(id);
  await looks();
  fake.leavesAt = "c-2";
  await indexing.reindex();
  await looks(20);
  expect(fake.has.get(2)).toEqual(["c-1"]);
  expect(fake).toMatchObject({ current: 1, building: 2, switchedWith: [] });
  [fake.leavesAt, fake.away] = ["", undefined];
  await looks(60);
  expect(fake).toMatchObject({ current: 2, switchedWith: [["c-1", "c-2", "c-3"]] });
});

test("an embedded one is opened by a question, answers with what has ended, and is closed when nobody asks", async () => {
  indexing = make({ eager: false });
  ended("c-1");
  await looks(3);
  expect(fake.asked).toBe(0);
  expect(indexing.status()).toMatchObject({ state: "closed", behind: undefined });
  const { answer } = await indexing.ask((calls, generation) => calls.ingestedCampaigns(generation));
  expect(answer).toEqual(["c-1"]);
  ended("c-2");
  const later = await indexing.ask((calls, generation) => calls.ingestedCampaigns(generation));
  expect(later).toEqual({ answer: ["c-1", "c-2"], behind: 0 });
  await clock.advance(600_000);
  await looks(2);
  expect(fake.isOpen).toBe(false);
  const again = await indexing.ask((calls, generation) => calls.ingestedCampaigns(generation));
  expect(again.answer).toEqual(["c-1", "c-2"]);
});

test("after its end nothing is asked any more", async () => {
  await looks();
  await indexing.stop();
  const { asked } = fake;
  await looks(2);
  await expect(indexing.ask(async () => 1)).rejects.toMatchObject({ code: "unavailable" });
  await expect(indexing.reindex()).rejects.toMatchObject({ code: "unavailable" });
  expect(fake.asked).toBe(asked);
});
