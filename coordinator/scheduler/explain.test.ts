import { expect, test } from "vitest";
import { explain, waitsFor } from "./explain.js";
import { plan } from "./schedule.js";
import type { AgentSnapshot, JobSnapshot } from "./snapshot.js";
import { agent, job } from "./snapshot.test-support.js";
import { Standing } from "./standing.js";

const draftOf = (agents: AgentSnapshot[], jobs: JobSnapshot[], nowMs = 0) =>
  plan(Standing.of({ agents, jobs, options: { maxWaitMs: 120_000 } }), nowMs);
const told = (agents: AgentSnapshot[], jobs: JobSnapshot[]) => explain(draftOf(agents, jobs), "c-1");
const busy = (id: string) => agent(id, { lanes: [{ lane: "cpu", credits: 0, held: { "c-1": 1 } }] });

test("what is given out is not explained, and only the campaign that was asked for is", () => {
  expect(told([agent("n1")], [job("c-1", "j0000", { pending: 1 }), job("c-2", "j0000")])).toEqual([]);
});

test("jobs that wait for no node name none", () => {
  const { gate: _, ...shut } = job("c-1", "j0000");
  const jobs = [
    shut,
    job("c-1", "j0001", { held: true }),
    job("c-1", "j0002", { paused: true }),
    job("c-1", "j0003", { pending: 0, later: [4] }),
    job("c-1", "j0004", { pending: 0, paused: true }),
  ];
  expect(told([busy("n1")], jobs).map(({ job: id, code, nodes }) => [id, code, nodes])).toEqual([
    ["j0000", "gate_closed", []],
    ["j0001", "held_back", []],
    ["j0002", "paused", []],
    ["j0003", "retry_later", []],
  ]);
});

test("no node, none that could, all busy", () => {
  const jobs = [job("c-1", "j0000")];
  expect(told([], jobs)).toMatchObject([{ code: "no_nodes", message: "no node is connected", nodes: [] }]);
  expect(told([busy("n1")], jobs)).toMatchObject([
    {
      code: "busy",
      message: "the one node that can run ollama:a is busy",
      nodes: [{ code: "busy", message: "is busy", nodes: ["n1"], count: 1 }],
    },
  ]);
  expect(told([busy("n1"), busy("n2")], jobs)).toMatchObject([
    { code: "busy", message: "all 2 nodes that can run ollama:a are busy" },
  ]);
});

test("why no node can run it: the most frequent reasons, with names", () => {
  const without = (id: string) => agent(id, { engines: [{ kind: "ocr", models: [] }] });
  const agents = [
    without("n1"),
    without("n2"),
    agent("n3", { cordoned: true }),
    agent("n4", { state: "SUSPECT" }),
    agent("n5", { engines: [{ kind: "ollama", models: ["b"] }] }),
  ];
  const [answer] = told(agents, [job("c-1", "j0000")]);
  expect(answer?.message).toBe(
    "no node can run ollama:a: n1 and 1 more: has no engine ollama; n3 is cordoned; n4 is suspect; and 1 more",
  );
  expect(answer?.nodes.map(({ code, nodes }) => [code, nodes])).toEqual([
    ["no_engine", ["n1", "n2"]],
    ["cordoned", ["n3"]],
    ["not_ready", ["n4"]],
    ["model_not_served", ["n5"]],
  ]);
});

test("of many nodes for which the same is so the first twenty are named, and all are counted", () => {
  const agents = Array.from({ length: 30 }, (_, i) => busy(`n${String(29 - i).padStart(2, "0")}`));
  const [answer] = told(agents, [job("c-1", "j0000")]);
  expect(answer?.nodes).toMatchObject([{ code: "busy", count: 30 }]);
  expect(answer?.nodes[0]?.nodes).toHaveLength(20);
  expect(answer?.nodes[0]?.nodes.slice(0, 2)).toEqual(["n00", "n01"]);
});

test("a free node is not used when loading there would not be sooner, or when the shards failed on it", () => {
  const ran = { shards: 10, ms: 300_000 };
  const on = agent("n1", {
    lanes: [{ lane: "cpu", credits: 0, held: { "c-1": 1 }, lastModel: "ollama:a" }],
  });
  const few = [job("c-1", "j0000", { pending: 1, ran })];
  expect(told([on, agent("n2")], few)).toMatchObject([
    {
      code: "saves_a_load",
      nodes: [
        { code: "busy", nodes: ["n1"] },
        { code: "other_model", nodes: ["n2"] },
      ],
    },
  ]);
  const failed = [job("c-1", "j0000", { pending: 0, retries: [{ index: 3, failedOn: ["n2"] }] })];
  expect(told([on, agent("n2")], failed)).toMatchObject([
    {
      code: "failed_there",
      nodes: [
        { code: "busy", nodes: ["n1"] },
        { code: "failed_there", nodes: ["n2"] },
      ],
    },
  ]);
});

test("the short answer is the long one without nodes, except where it names them", () => {
  const cases: [AgentSnapshot[], JobSnapshot][] = [
    [[], job("c-1", "j0000")],
    [[busy("n1")], job("c-1", "j0000")],
    [[agent("n1", { cordoned: true })], job("c-1", "j0000")],
  ];
  for (const [agents, one] of cases) {
    const draft = draftOf(agents, [one]);
    const [long] = explain(draft, "c-1");
    const standing = draft.standing.job("c-1", "j0000");
    if (!standing || !long) throw new Error("it waits");
    const short = waitsFor(draft, standing);
    expect(short.code).toBe(long.code);
    expect(long.message.startsWith(short.message)).toBe(true);
  }
});

test("work that waits for a quota says so, and names no node", () => {
  const of = (jobs: JobSnapshot[]) => {
    const options = { maxWaitMs: 120_000, tenantLimits: new Map([["t", 2]]) };
    return explain(plan(Standing.of({ agents: [agent("n1"), agent("n2")], jobs, options }), 0), "c-1");
  };
  expect(of([job("c-1", "j0000", { pending: 1, inFlight: 1 })])).toEqual([]);
  expect(of([job("c-1", "j0000", { pending: 1 }), job("c-2", "j0000", { inFlight: 2 })])).toEqual([
    {
      ...{ campaign: "c-1", job: "j0000", code: "quota", nodes: [] },
      message: "tenant t's quota max_running_shards is 2, and as many of its shards are on nodes",
    },
  ]);
  const [nobody] = of([job("c-1", "j0000", { engine: "ocr" }), job("c-2", "j0000", { inFlight: 2 })]);
  expect(nobody).toMatchObject({ code: "no_feasible_node" });
  const [, waits] = of([job("c-1", "j0000", { held: true }), job("c-1", "j0001")]);
  expect(waits?.message).toContain("what it has on nodes is not known before they have reconnected");
});

test("of a job that stays on a class of devices it says on which", () => {
  const x = (id: string) =>
    agent(id, { lanes: [{ lane: "cpu", deviceClass: "x", credits: 0, held: { "c-1": 1 } }] });
  const one = job("c-1", "j0000", { deviceClass: "x" });
  expect(told([agent("n1")], [one])[0]?.message).toBe(
    "no node can run ollama:a on devices of class x, where its times are compared: n1 has no device of class x",
  );
  expect(told([x("n1"), agent("n2")], [one])[0]?.message).toBe(
    "the one node that can run ollama:a on devices of class x, where its times are compared is busy",
  );
});

test("of a plan that gives out no more, what is left is about to get its turn, and failed nowhere", () => {
  const agents = ["n1", "n2", "n3"].map((id) =>
    agent(id, { lanes: [{ lane: "cpu", slots: 2, credits: 3 }] }),
  );
  const of = (jobs: JobSnapshot[]) =>
    explain(plan(Standing.of({ agents, jobs, options: { maxWaitMs: 120_000, mostShards: 2 } }), 0), "c-1");
  const [waits] = of([job("c-1", "j0000", { pending: 10, modelLoads: false })]);
  expect(waits).toMatchObject({ code: "next", nodes: [{ code: "next", count: 3 }] });
  const retries = [{ index: 3, failedOn: ["n1"] }];
  const [failed] = of([job("c-1", "j0000", { pending: 2 }), job("c-1", "j0001", { pending: 0, retries })]);
  expect(failed?.nodes.map(({ code, nodes }) => [code, nodes])).toContainEqual(["next", ["n2", "n3"]]);
});
