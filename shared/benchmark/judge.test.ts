import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { createAggregate } from "./aggregate.js";
import { expandPlan } from "./expand.js";
import type { Item } from "./item.js";
import type { Json } from "./json.js";
import { judgedItem, judgePrompt, judgeScore, modelFamily, verdictOf } from "./judge.js";
import type { JobSpec, JudgeSpec, ModelSpec } from "./plan.js";
import type { ResultRecord } from "./record.js";
import { recordForTests } from "./scoring/campaign-for-tests.js";
import { readSuite } from "./suite.js";
import { renderMessages } from "./template.js";

const sha256 = (data: string | Uint8Array): string => createHash("sha256").update(data).digest("hex");

const suiteWith = (judge: Json, more: { [key: string]: Json } = {}) =>
  readSuite({
    ...{ schema: "sai/v1", name: "judged", prompts: [{ id: "ask", template: "{{ input }}" }] },
    ...{
      models: [
        { id: "a", engine: "ollama" },
        { id: "b", engine: "ollama" },
      ],
    },
    judges: [{ id: "referee", engine: "ollama", model: "q:1" }],
    datasets: [{ id: "d", items: [{ id: "q1", input: "x" }] }],
    metrics: ["exact_match", { id: "helpful", judge }],
    ...more,
  });
const JUDGE = { model: "referee", template: "{{ input }}: {{ answer }}", scale: [1, 5] };
const told = (judge: Json, more: { [key: string]: Json } = {}) =>
  suiteWith(judge, more).findings.map(({ severity, field, message }) => `${severity} ${field}: ${message}`);

test("a judge is read, and what is wrong with one is said where it stands", () => {
  const { suite, findings } = suiteWith(JUDGE);
  expect(findings).toEqual([]);
  expect(suite?.metrics[1]).toEqual({ id: "helpful", judge: { ...JUDGE } });
  expect(suite?.judges?.map(({ id }) => id)).toEqual(["referee"]);
  const { scale: _, ...unscaled } = JUDGE;
  const wrong: [Json, RegExp][] = [
    ["referee", /metrics\[1\]\.judge: expected an object/],
    [{ ...JUDGE, model: null }, /judge\.model: model is missing/],
    [{ ...JUDGE, template: null }, /judge\.template: template is missing/],
    [{ ...JUDGE, template: "{{" }, /judge\.template: the template is wrong/],
    [unscaled, /metrics\[1\]\.judge: neither scale nor choices/],
    [{ ...JUDGE, scale: [5, 1] }, /judge\.scale: a scale is its least and its greatest/],
    [{ ...JUDGE, scale: [1, 2, 3] }, /judge\.scale: a scale is/],
    [{ ...unscaled, choices: ["good", "bad"] }, /judge\.choices: choices are words/],
    [{ ...unscaled, choices: { good: 1, bad: 1 } }, /judge\.choices: choices are words/],
    [{ ...JUDGE, choices: { good: 1, bad: 0 } }, /judge\.scale: a scale beside choices/],
    [{ ...JUDGE, model: "refree" }, /metrics: helpful is judged by refree/],
    [{ ...JUDGE, patience: 1 }, /judge\.patience/],
  ];
  for (const [judge, message] of wrong) expect(told(judge).join("\n")).toMatch(message);
  expect(told(JUDGE, { test_config: { include_raw_responses: false } }).join()).toMatch(/judges read raw/);
  expect(told(JUDGE, { metrics: ["latency"] }).join()).toMatch(/warning judges\[0\]: referee judges nothing/);
  expect(told(JUDGE, { judges: ["a"] }).join("\n")).toMatch(/judges\[0\]: a is one of models already/);
  expect(told(JUDGE, { metrics: [{ id: "cer", judge: JUDGE }] }).join()).toMatch(/cannot name a metric/);
});

const judging = (judge: Partial<JudgeSpec> = {}) => {
  const spec: JudgeSpec = { model: "referee", template: "t", scale: [1, 5], ...judge };
  const prompt = judgePrompt("helpful", spec, sha256);
  return { prompt, judge: { of: "j0000", metric: "helpful", ...spec } };
};

test("verdicts are taken out of what judges say, and nothing else is one", () => {
  const number = judging();
  const values = (output: string) => verdictOf(number, output).scores[judgeScore("helpful")];
  expect(values("4")).toBe(4);
  expect(values(" 4.5\n")).toBe(4.5);
  expect(values("It is short, 2 of 3 facts are right.\n**Verdict:** 3")).toBe(3);
  expect(values("verdict: 5, no, verdict: 2")).toBe(2);
  for (const none of ["2 of 3 facts are right", "", "verdict: 6", "verdict: -1", "good"]) {
    const verdict = verdictOf(number, none);
    expect(verdict, none).toMatchObject({
      status: "parse_error",
      scores: {},
      error: { class: "no_verdict" },
    });
  }
  const words = judging({ choices: { good: 1, bad: 0 }, scale: [0, 1] });
  expect(verdictOf(words, "The answer is good").scores).toEqual({ "judge.helpful": 1 });
  expect(verdictOf(words, "bad").scores).toEqual({ "judge.helpful": 0 });
  expect(verdictOf(words, "fine").status).toBe("parse_error");
  expect(verdictOf(words, undefined)).toEqual({ status: "unscored", scores: {} });
});

test("a judge sees the answer and what is right, no pictures and no examples; another template is another judge", () => {
  const item: Item = {
    ...{ id: "q", input: "2 + 2", target: "4", vars: { hint: "sum" } },
    media: [{ kind: "missing", name: "p.png", reason: "" }],
    shots: [{ input: "1 + 1", answer: "2" }],
  };
  const shown = judgedItem(item, "five");
  expect(shown.media).toEqual([]);
  const template = "{{ input }} = {{ answer }}? It is {{ target }} ({{ hint }})";
  expect(renderMessages({ template }, shown).user).toBe("2 + 2 = five? It is 4 (sum)");
  expect(judging().prompt.sha256).not.toBe(judging({ template: "u" }).prompt.sha256);
  expect(judging().prompt.sha256).not.toBe(judging({ system: "s" }).prompt.sha256);
});

test("models of one family", () => {
  const names = ["Qwen/Qwen3-8B", "qwen2.5vl:7b", "hf.co/x/qwen-tiny"];
  expect(new Set(names.map(modelFamily))).toEqual(new Set(["qwen"]));
  expect(modelFamily("gpt-4o")).toBe("gpt");
});

const models: ModelSpec[] = ["a", "b"].map((id) => ({ id, engine: "ollama", model: id, options: {} }));
const referee: ModelSpec = { id: "referee", engine: "ollama", model: "q:1", options: {} };

/** Two models, three items, one judge. */
function planned() {
  const { suite } = suiteWith(JUDGE, { run: { repetitions: 2, shard_size: 4, warmup: 3 } });
  if (suite === undefined) throw new Error("no suite");
  const prompt = { ...judging().prompt, id: "ask", template: "{{ input }}" };
  const datasets = new Map([["d", { id: "d", manifestSha256: "m", items: 3 }]]);
  const input = { campaign: "c1", suite, suiteSha256: "", models, judges: [referee], datasets, sha256 };
  return expandPlan({ ...input, prompts: [prompt] });
}

test("a judge job has the samples and the pieces of the job it judges, and comes after all answers", () => {
  const { jobs } = planned();
  expect(jobs.map(({ id, model, judge }) => [id, model.id, judge?.of])).toEqual([
    ["j0000", "a", undefined],
    ["j0001", "b", undefined],
    ["j0002", "referee", "j0000"],
    ["j0003", "referee", "j0001"],
  ]);
  expect(jobs[2]).toMatchObject({
    ...{ samples: 6, shardSize: 4, warmup: 0, generation: { temperature: 0 } },
    judge: { metric: "helpful", scale: [1, 5] },
  });
});

test("verdicts count in the job they are about: failures as the worst, what is not read not at all, and are told", () => {
  const plan = planned();
  const [a, , judge] = plan.jobs as [JobSpec, JobSpec, JobSpec];
  const aggregate = createAggregate(plan);
  const item = (o: number): Item => ({ id: `q${o % 3}`, input: "x", media: [] });
  const add = (job: JobSpec, ordinal: number, more: Partial<ResultRecord>) =>
    aggregate.add(recordForTests(job, ordinal, item(ordinal), { output: "text" }, { scores: {}, ...more }));
  // Items 0 to 2 twice; sample 1 fails, and 4 has no verdict.
  for (let o = 0; o < 6; o += 1) add(a, o, o === 1 ? { status: "timeout", finish: "error" } : {});
  for (const [ordinal, value] of [
    [0, 5],
    [2, 3],
    [3, 4],
    [5, 3],
  ] as const)
    add(judge, ordinal, { scores: { "judge.helpful": value }, cost_usd: 0.5 });
  add(judge, 1, { status: "cancelled", error: { class: "no_answer", message: "" } });
  add(judge, 4, { status: "parse_error", error: { class: "no_verdict", message: "" }, cost_usd: 0.5 });
  const meta = { state: "succeeded", createdAt: "", endedAt: "", planSha256: "", warnings: [] };
  const summary = aggregate.summary(meta);
  const helpful = summary.cells[0]?.metrics.find(({ id }) => id === "helpful");
  // Item 0: (5 + 4) / 2; item 1: the failure alone, 1; item 2: 3.
  expect(helpful).toMatchObject({ n: 3 });
  expect(helpful?.value).toBeCloseTo((4.5 + 1 + 3) / 3, 12);
  expect(summary.warnings).toContain(
    "a × ask × d: helpful: 1 of 5 answers have no verdict, and are not in it",
  );
  const judged = summary.cells[2];
  expect(judged?.metrics.find(({ id }) => id === "cost")?.value).toBe(2.5);
  expect(judged?.metrics.find(({ id }) => id === "parse_success_rate")?.n).toBeGreaterThan(0);
  expect(summary.comparisons.every(({ a: left }) => left !== "referee")).toBe(true);
});
