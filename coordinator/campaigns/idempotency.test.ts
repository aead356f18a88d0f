/** Idempotency keys: requests at once, expiry, reuse and sweeping in any order, over a store that delays and loses answers. */
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { seededRandom } from "../../shared/benchmark/seeded.js";
import { SaiError } from "../../shared/runtime/errors.js";
import { SEED } from "../../test/conformance/seeded.js";
import { suiteOf } from "../../test/support/suites.js";
import { StoreError } from "../store/store.js";
import { sweepIdempotency } from "./idempotency.js";
import { submitCampaign } from "./submit.js";
import { World } from "./world.test-support.js";

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.close());

const request = (name = "test") => ({
  ...{ suite: suiteOf({ items: 1, name }), inputs: [], modelMap: {}, priority: 0 },
});
const TTL_MS = 60_000;

test("the same request is the same campaign, another one is refused, and both end with the key's time", async () => {
  const term = await world.term({ idempotencyTtlMs: TTL_MS });
  const submit = (name: string) => world.get(submitCampaign(term.parts, request(name), "k"));
  const first = await submit("a");
  expect(await submit("a")).toBe(first);
  await expect(submit("b")).rejects.toMatchObject({
    code: "already_exists",
    hint: expect.stringContaining("new key"),
  });
  await world.clock.advance(TTL_MS + 1);
  const second = await submit("b");
  expect(second).not.toBe(first);
  expect(await submit("b")).toBe(second);
});

test("sweeping deletes what has expired and nothing else, however many there are", async () => {
  const term = await world.term({ idempotencyTtlMs: TTL_MS });
  for (let i = 0; i < 250; i += 1) await world.get(submitCampaign(term.parts, request(), `old ${i}`));
  await world.clock.advance(TTL_MS / 2);
  await world.get(submitCampaign(term.parts, request(), "young"));
  expect(await world.get(sweepIdempotency(term.parts))).toBe(0);
  await world.clock.advance(TTL_MS / 2);
  expect(await world.get(sweepIdempotency(term.parts))).toBe(250);
  expect(await world.get(sweepIdempotency(term.parts))).toBe(0);
  const known = term.board.list().length;
  await world.get(submitCampaign(term.parts, request(), "young"));
  expect(term.board.list()).toHaveLength(known);
});

test("a key that was used anew while it was being swept stays", async () => {
  let release = () => {};
  let held: Promise<void> | undefined;
  const term = await world.term({
    idempotencyTtlMs: TTL_MS,
    hook: { request: async () => {}, reply: async (call) => void (call === "list" && (await held)) },
  });
  const submit = () => world.get(submitCampaign(term.parts, request(), "k"));
  const first = await submit();
  await world.clock.advance(TTL_MS + 1);
  held = new Promise((resolve) => {
    release = resolve;
  });
  const swept = sweepIdempotency(term.parts);
  await world.clock.advance(10); // it has seen the key as it was
  const second = await submit();
  release();
  expect([await world.get(swept), second === first]).toEqual([0, false]);
  expect(await submit()).toBe(second);
});

type Step = { kind: "submit"; key: string; name: string } | { kind: "wait"; ms: number } | { kind: "sweep" };
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      ...{ kind: fc.constant("submit" as const), key: fc.constantFrom("k1", "k2") },
      name: fc.constantFrom("a", "a", "b"),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.constantFrom(1, 20, TTL_MS) }),
  },
  { weight: 3, arbitrary: fc.constant({ kind: "sweep" as const }) },
);

test("in any order, at once, and whatever answers are lost: at any time a key stands for one campaign", async () => {
  const runs = 150;
  console.info(`idempotency: SEED=${SEED}, ${runs} runs`);
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 14 }), fc.nat(), async (steps, seed) => {
      const random = seededRandom(seed);
      const own = new World();
      let slow = false;
      const term = await own.term({
        idempotencyTtlMs: TTL_MS,
        hook: {
          request: async () => void (slow && (await own.clock.sleep(random() * 20))),
          reply: async (call) => {
            if (!slow) return;
            await own.clock.sleep(random() * 20);
            if (call === "txn" && random() < 0.3)
              throw new StoreError({ kind: "OutcomeUnknown", what: "lost" });
          },
        },
      });
      slow = true;
      /** What was answered: which campaign a key stood for, and until when it must have. */
      const answers: { key: string; name: string; campaign: string; createdMs: number; askedMs: number }[] =
        [];
      const open: Promise<unknown>[] = [];
      for (const each of steps) {
        if (each.kind === "wait") await own.clock.advance(each.ms);
        else if (each.kind === "sweep") open.push(sweepIdempotency(term.parts).catch(() => {}));
        else {
          const { key, name } = each;
          const askedMs = own.clock.wallMs();
          const asked = submitCampaign(term.parts, request(name), key);
          open.push(
            asked.then(
              ({ value }) =>
                answers.push({ key, name, campaign: value.id, createdMs: value.createdMs, askedMs }),
              (error) => {
                expect(error).toBeInstanceOf(SaiError);
                expect(error.code).toBe("already_exists");
              },
            ),
          );
        }
      }
      await own.get(Promise.all(open));
      for (const a of answers) {
        expect(term.board.campaign(a.campaign)?.value.name).toBe(a.name);
        for (const b of answers) {
          if (a.key !== b.key || a.campaign === b.campaign) continue;
          // Two campaigns of one key: the later one was made after the earlier one's time was over.
          expect(Math.abs(a.createdMs - b.createdMs)).toBeGreaterThan(TTL_MS);
        }
      }
      // Nothing was made that nobody was told of.
      const told = new Set(answers.map(({ campaign }) => campaign));
      expect(term.board.list().filter(({ value }) => !told.has(value.id))).toEqual([]);
      await own.close();
    }),
    { seed: SEED, numRuns: runs },
  );
});
