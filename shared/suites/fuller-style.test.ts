/** Suites in the fuller style of real files: everything in it, prepared and planned on mapped models. */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createAggregate } from "../benchmark/aggregate.js";
import { parseManifest } from "../datasets/manifest.js";
import { planOf, prepareSuite } from "./prepare.js";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "sai-fuller-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const prepare = (text: string, files = root) =>
  prepareSuite({ text, modelMap: { "*": "simulated:vlm" }, files: { kind: "local", root: files } });

const told = ({ findings }: Awaited<ReturnType<typeof prepare>>) =>
  findings.map(({ severity, field, line, message }) => `${severity} ${field}:${line} ${message}`);

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), text);
}

const ROWS = Array.from({ length: 12 }, (_, i) => ({
  id: `q${i}`,
  input: `question ${i}`,
  target: String(i),
  split: i < 8 ? "test" : "train",
  weather: i % 2 === 0 ? "fog" : "clear",
  metadata: { hour: i },
}));
const rows = () => put("data/fire.jsonl", ROWS.map((row) => JSON.stringify(row)).join("\n"));

const FULL = `name: Fire Watch
description: everything that real files have
version: 2.1
author: somebody
created: 2024-05-01
prompts:
  - id: ask
    template: "{{ input }}"
  - id: ask_again
    template: "Again: {{ input }}"
models:
  - name: big
    type: vision_language
    description: a large one
    config: {temperature: 0.7, max_tokens: 64}
  - name: small
    type: yolo
    path: models/small
datasets:
  - name: fire
    type: jsonl
    description: towers
    path: data/fire.jsonl
    split: test
    filter: {hour: {min: 1}}
metrics:
  quality:
    - {name: accuracy, target: ">= 0.80"}
    - exact_match
  performance:
    latency: "< 500 ms"
    gpu_temperature: "< 80"
engine_config: {temperature: 0, timeout: 30}
test_scenarios:
  - name: in fog
    description: smoke and fog look alike
    filter_conditions: {weather: fog}
    expected_performance: {exact_match: ">= 0.7", max_latency: 900}
  - name: at dusk
    filter_conditions: {hour: [20, 21]}
    expected_performance: {accuracy: 0.5}
execution: {repetitions: 2, confidence_interval: 0.95}
reporting: {formats: [html], output_dir: out}
success_criteria: {exact_match: {min: 0.6}}
stress_tests: [{name: many, concurrent_requests: 50}]
matrix:
  exclude: [{prompt: ask_again, model: small}]
`;

test("a suite with everything validates, and says what is not applied", async () => {
  await rows();
  const prepared = await prepare(FULL);
  expect(told(prepared)).toEqual([
    'warning metrics.performance.gpu_temperature:32 there is no metric "gpu_temperature", not computed',
    "warning reporting:43 reporting is not applied: formats, output_dir",
    "warning stress_tests:45 stress_tests are not run",
    'warning test_scenarios[1]:39 no item is of the scenario "at dusk": not checked',
  ]);
  const plan = planOf(prepared, "c");
  expect(plan.jobs.map(({ prompt, model, samples }) => [prompt.id, model.id, samples])).toEqual([
    ["ask", "big", 14],
    ["ask", "small", 14],
    ["ask_again", "big", 14],
  ]);
  expect([prepared.jobs, prepared.samples]).toEqual([3, 42]);
  expect(plan.jobs.map(({ generation }) => [generation.temperature, generation.max_tokens])).toEqual([
    [0.7, 64],
    [0, undefined],
    [0.7, 64],
  ]);
  expect(plan.jobs[0]?.metrics).toEqual([
    { id: "accuracy", target: ">= 0.80" },
    { id: "exact_match", target: ">= 0.6" },
    { id: "latency", target: "< 500 ms" },
  ]);
  // Of q1 to q7 those in fog are the second, fourth and sixth.
  expect(plan.jobs[0]?.scenarios).toEqual([
    {
      name: "in fog",
      items: [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
      metrics: [
        { id: "exact_match", target: ">= 0.7" },
        { id: "latency", target: "<= 900" },
      ],
    },
  ]);
});

test("strict: true makes errors of what is unknown, each with its field, line and suggestion", async () => {
  await rows();
  const { findings } = await prepare(FULL.replace("version: 2.1", "strict: true\nexecutions: {}"));
  const errors = findings.filter(({ severity }) => severity === "error");
  expect(errors.map(({ field, line, hint }) => [field, line, hint])).toEqual([
    ["metrics.performance.gpu_temperature", 33, ""],
    ["executions", 4, 'did you mean "execution"?'],
  ]);
});

test("a summary judges a scenario by its own items", async () => {
  await rows();
  const plan = planOf(await prepare(FULL), "c");
  const aggregate = createAggregate(plan);
  const meta = { state: "succeeded", createdAt: "", endedAt: "", planSha256: "", warnings: [] };
  const level = aggregate.summary(meta).cells[0]?.levels.at(-1);
  expect(level).toMatchObject({ level: "scenario: in fog", n: 0 });
  expect(level?.metrics.map(({ id, target }) => [id, target?.expression])).toEqual([
    ["exact_match", ">= 0.7"],
    ["latency", "<= 900"],
  ]);
});

test("examples come before each question and are never the question itself", async () => {
  await rows();
  for (const mode of ["fixed", "per_item"]) {
    const text = `${FULL}fewshot: {n: 3, seed: 4, mode: ${mode}, target_template: "Answer: {{ target }}"}\n`;
    const prepared = await prepare(text);
    expect(prepared.ok).toBe(true);
    const items = parseManifest(prepared.datasets[0]?.manifest ?? new Uint8Array());
    expect(items).toHaveLength(7);
    for (const item of items) {
      expect(item.shots).toHaveLength(3);
      expect(item.shots?.map(({ input }) => input)).not.toContain(item.input);
    }
    expect(new Set(items.map(({ shots }) => JSON.stringify(shots))).size > 4).toBe(mode === "per_item");
    const [first] = prepared.rendered(1);
    expect(first?.user).toMatch(/^(question \d+\nAnswer: \d+\n\n){3}question 1$/);
    const again = await prepare(text);
    expect(again.datasets[0]?.sha256).toBe(prepared.datasets[0]?.sha256);
  }
});

test("examples of another split, and too few of them", async () => {
  await rows();
  const few = await prepare(`${FULL}fewshot: {n: 3, split: train}\n`);
  expect(few.datasets[0]?.items[0]?.shots?.map(({ answer }) => Number(answer) >= 8)).toEqual([
    true,
    true,
    true,
  ]);
  expect(told(await prepare(`${FULL}fewshot: {n: 7}\n`))[0]).toBe(
    "error fewshot:48 dataset fire has 7 items with a target; 7 examples besides the item itself need more",
  );
  expect(told(await prepare(`${FULL}fewshot: {n: 1, split: dev}\n`))[0]).toMatch(
    /^error fewshot:48 the split dev of dataset fire has 0 items with a target/,
  );
});

test("splits and ids that are not there are named", async () => {
  await rows();
  expect(told(await prepare(FULL.replace("split: test", "split: tset")))[0]).toBe(
    'error datasets[0].split:24 no row is of the split "tset": there are test, train',
  );
  expect(told(await prepare(FULL.replace("split: test", "ids: [q1, q99]")))[0]).toBe(
    "error datasets[0].ids:24 the dataset fire has no item q99",
  );
});

test("a matrix that leaves nothing out of nothing is refused", async () => {
  await rows();
  const text = FULL.replace("[{prompt: ask_again, model: small}]", "[{dataset: fire}]");
  expect(told(await prepare(text))[0]).toBe("error matrix:46 the rules leave out all of the 4 cells");
});

const REAL = process.env["SAI_TEST_FIXTURES"];
test.skipIf(REAL === undefined || !existsSync(join(REAL, "sai/suites")))(
  "real files validate on mapped models",
  async () => {
    const folder = join(REAL ?? "", "sai");
    for (const name of await readdir(join(folder, "suites"))) {
      const prepared = await prepare(await readFile(join(folder, "suites", name), "utf8"), folder);
      expect([name, told(prepared).filter((line) => line.startsWith("error"))]).toEqual([name, []]);
      expect(planOf(prepared, "c").jobs.length).toBeGreaterThan(0);
    }
  },
);
