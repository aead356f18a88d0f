/** Submitting and planning while leaders die, and beside a cancellation. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { suiteOf } from "../../test/support/suites.js";
import { campaignEvent } from "./lifecycle.js";
import { submitCampaign } from "./submit.js";
import { World } from "./world.test-support.js";

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.close());

const request = { suite: suiteOf({ items: 3 }), inputs: [], modelMap: {}, priority: 0 };

test("a leader that dies at any call: what was acknowledged runs, and a key stands for one campaign", async () => {
  const first = await world.term();
  const before = first.calls;
  await first.campaign({ items: 3 }, "key");
  const calls = first.calls - before;
  expect(calls).toBeGreaterThanOrEqual(7);
  await world.close();
  for (let call = 1; call <= calls; call += 1) {
    for (const when of ["before", "after"] as const) {
      world = new World();
      const term = await world.term({ crash: { at: before + call, when } });
      let acknowledged: string | undefined;
      submitCampaign(term.parts, request, "key").then(
        ({ value }) => {
          acknowledged = value.id;
        },
        () => {},
      );
      await world.until("it dies", () => term.crashed);
      const next = await world.term();
      const name = `dying ${when} call ${call}`;
      const known = next.board.list().map(({ value }) => value.id);
      if (acknowledged !== undefined) expect(known, name).toContain(acknowledged);
      // Whoever got no answer asks again.
      const again = await world.get(submitCampaign(next.parts, request, "key"));
      if (known.length > 0) expect([again.value.id], name).toEqual(known);
      await world.until("it runs", () => again.value.state.kind === "RUNNING");
      expect(next.board.list(), name).toHaveLength(1);
      expect(
        again.jobs.every(({ gate }) => gate > 0n),
        name,
      ).toBe(true);
      await next.runAll(again);
      expect(again.value.state.kind, name).toBe("SUCCEEDED");
      await world.close();
    }
  }
  world = new World();
});

test("gates whose opening was not answered are taken as they are, so that results still commit", async () => {
  let losing = false;
  const term = await world.term({
    hook: {
      request: async () => {},
      reply: async (call) => {
        if (!losing || call !== "txn") return;
        losing = false;
        const { StoreError } = await import("../store/store.js");
        throw new StoreError({ kind: "OutcomeUnknown", what: "lost" });
      },
    },
  });
  for (let lostAt = 1; lostAt <= 4; lostAt += 1) {
    let txns = 0;
    const commit = term.parts.store.commit.bind(term.parts.store);
    term.parts.store.commit = (write) => {
      txns += 1;
      losing = txns === lostAt;
      return commit(write);
    };
    const entry = await term.campaign({ items: 3, name: `lost ${lostAt}` });
    await term.runAll(entry);
    expect([entry.value.state.kind, entry.jobs[0]?.done.size]).toEqual(["SUCCEEDED", 2]);
    term.parts.store.commit = commit;
  }
  expect(term.board.list()).toHaveLength(4);
});

test("cancelled at any moment of its planning, it ends cancelled and no gate is left", async () => {
  for (let turns = 0; turns < 30; turns += 1) {
    const term = await world.term();
    const entry = await term.submit({ items: 3 });
    for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
    await world.get(campaignEvent(term.parts, entry, { kind: "cancel", reason: "no" }));
    await term.ended(entry);
    await world.clock.advance(1000);
    expect(entry.value.state.kind).toBe("CANCELLED");
    for await (const { kvs } of term.parts.state.list({ from: "/sai/v1/gate/", to: "/sai/v1/gate0" }))
      expect(kvs).toEqual([]);
    expect(term.logs.filter(({ level }) => level === "error")).toEqual([]);
  }
});

test("a store or an artifact store that is away while it is planned delays it, and fails nothing", async () => {
  const term = await world.term();
  world.artifactsAway = true;
  const entry = await term.submit({ items: 3 });
  await world.clock.advance(60_000);
  expect(entry.value.state.kind).toBe("SUBMITTED");
  world.artifactsAway = false;
  await world.until("it runs", () => entry.value.state.kind === "RUNNING");
});

test("above 70 % of the store's quota new campaigns are refused, with what to do", async () => {
  let usedBytes = 70;
  const term = await world.term({ usage: async () => ({ usedBytes, quotaBytes: 100 }) });
  const entry = await term.campaign({ items: 3 }, "key");
  usedBytes = 71;
  const refused = world.get(submitCampaign(term.parts, { ...request, priority: 1 }, ""));
  await expect(refused).rejects.toMatchObject({
    code: "resource_exhausted",
    message: "the state store is 71 % full, new campaigns are accepted below 70 %",
    hint: expect.stringContaining("sealed"),
  });
  // What is known already is no new campaign, and what runs is finished.
  expect(await world.get(submitCampaign(term.parts, request, "key"))).toBe(entry);
  await term.runAll(entry);
  expect(entry.value.state.kind).toBe("SUCCEEDED");
});
