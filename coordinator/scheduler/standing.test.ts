import fc from "fast-check";
import { expect, test } from "vitest";
import { holdsFor } from "../../test/conformance/seeded.js";
import { explain } from "./explain.js";
import { plan } from "./schedule.js";
import type { AgentSnapshot, JobSnapshot } from "./snapshot.js";
import { agent, job } from "./snapshot.test-support.js";
import { anyAgent, anyJob, anyNow } from "./snapshots.test-support.js";
import { Standing } from "./standing.js";

const OPTIONS = { maxWaitMs: 100, tenantWeights: new Map([["t2", 2]]) };
const agents = ["n0", "n1", "n2", "n3"];
/** Agents that are alike, so that they come into a class and leave it that others stay in. */
const alike = fc
  .tuple(fc.constantFrom(...agents), fc.constantFrom("READY" as const, "SUSPECT" as const), fc.nat(2))
  .map(([id, state, credits]) => agent(id, { state, lanes: [{ lane: "cpu", credits }] }));
const jobs = ["c-0", "c-1", "c-2"].flatMap((c) => ["j0000", "j0001"].map((id) => [c, id] as const));

type Change =
  | { kind: "agent"; now: AgentSnapshot }
  | { kind: "job"; now: JobSnapshot }
  | { kind: "no agent"; id: string }
  | { kind: "no job"; campaign: string; id: string };
const anyChange: fc.Arbitrary<Change> = fc.oneof(
  { weight: 3, arbitrary: alike.map((now) => ({ kind: "agent" as const, now })) },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom(...agents)
      .chain(anyAgent)
      .map((now) => ({ kind: "agent" as const, now })),
  },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom(...jobs)
      .chain(([c, id]) => anyJob(c, id))
      .map((now) => ({ kind: "job" as const, now })),
  },
  fc.constantFrom(...agents).map((id) => ({ kind: "no agent" as const, id })),
  fc.constantFrom(...jobs).map(([campaign, id]) => ({ kind: "no job" as const, campaign, id })),
);

const answers = (standing: Standing, nowMs: number) => {
  const draft = plan(standing, nowMs);
  const waiting = [...standing.campaigns.keys()].sort().flatMap((campaign) => explain(draft, campaign));
  return { assignments: draft.assignments, waiting };
};

test("what was kept up plans as what is made anew, and planning changes nothing", () => {
  holdsFor(
    "standing",
    fc.property(fc.array(anyChange, { minLength: 1, maxLength: 40 }), anyNow, (changes, nowMs) => {
      const kept = new Standing(OPTIONS);
      const known = { agents: new Map<string, AgentSnapshot>(), jobs: new Map<string, JobSnapshot>() };
      for (const change of changes) {
        if (change.kind === "agent") {
          kept.putAgent(change.now);
          known.agents.set(change.now.id, change.now);
        } else if (change.kind === "job") {
          kept.putJob(change.now);
          known.jobs.set(`${change.now.campaign}/${change.now.job}`, change.now);
        } else if (change.kind === "no agent") {
          kept.removeAgent(change.id);
          known.agents.delete(change.id);
        } else {
          kept.removeJob(change.campaign, change.id);
          known.jobs.delete(`${change.campaign}/${change.id}`);
        }
        const anew = Standing.of({
          agents: [...known.agents.values()],
          jobs: [...known.jobs.values()],
          options: OPTIONS,
        });
        const made = answers(kept, nowMs);
        expect(made).toEqual(answers(anew, nowMs));
        expect(answers(kept, nowMs)).toEqual(made);
        expect(kept.live.size).toBe(anew.live.size);
        const rooms = (s: Standing) =>
          [...s.live].map(({ key, room, tenants }) => [key, room, tenants]).sort();
        expect(rooms(kept)).toEqual(rooms(anew));
      }
    }),
    150,
  );
});

test("a cycle looks at nothing when there are no free lanes or no work that fits them", () => {
  const standing = new Standing(OPTIONS);
  standing.putJob(job("c-1", "j0000"));
  expect(standing.live.size).toBe(0);
  for (let i = 0; i < 5; i++) standing.putAgent(agent(`n${i}`, { lanes: [{ lane: "cpu", credits: 0 }] }));
  for (let i = 5; i < 9; i++) standing.putAgent(agent(`n${i}`, { lanes: [{ lane: "gpu" }] }));
  expect(standing.live.size).toBe(0);
  standing.putAgent(agent("n3"));
  expect([...standing.live].map((pool) => pool.kind)).toEqual(["cpu"]);
  standing.putJob(job("c-1", "j0000", { pending: 0 }));
  expect(standing.live.size).toBe(0);
});

test("what was told of a tenant is forgotten with its last campaign", () => {
  const standing = new Standing({ ...OPTIONS, tenantLimits: new Map([["t", 3]]) });
  standing.putJob(job("c-1", "j0000", { inFlight: 2, held: true }));
  standing.putJob(job("c-1", "j0001", { inFlight: 1 }));
  expect(standing.quotaOf("t")).toEqual({ most: 3, has: 3, known: false });
  standing.removeJob("c-1", "j0000");
  expect(standing.quotaOf("t")).toEqual({ most: 3, has: 1, known: true });
  standing.removeJob("c-1", "j0001");
  expect(standing.quotaOf("t")).toEqual({ most: 3, has: 0, known: true });
  expect(standing.tenants.size).toBe(0);
});

test("agents of equal capability are one class, whatever the order they tell it in", () => {
  const standing = new Standing(OPTIONS);
  const engines = [
    { kind: "ocr" as const, models: [] },
    { kind: "ollama" as const, models: ["b", "a"] },
  ];
  standing.putAgent(agent("n1", { engines }));
  standing.putAgent(
    agent("n2", {
      engines: [
        { kind: "ollama", models: ["a", "b"] },
        { kind: "ocr", models: [] },
      ],
    }),
  );
  standing.putAgent(agent("n3", { engines: [{ kind: "ocr", models: [] }] }));
  const kinds = new Set([...standing.agents.values()].map((record) => record.class));
  expect(kinds.size).toBe(2);
});
