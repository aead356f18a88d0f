import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parseManifest } from "../datasets/manifest.js";
import { sha256 } from "../runtime/hash.js";
import { planOf, prepareSuite } from "./prepare.js";
import type { PrepareInput } from "./prepare-types.js";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "sai-prepare-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function put(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), content);
}

const picture = (width: number, height: number) =>
  sharp({ create: { width, height, channels: 3, background: "gray" } })
    .jpeg()
    .toBuffer();

const prepare = (text: string, more: Partial<PrepareInput> = {}) =>
  prepareSuite({ text, modelMap: { "*": "simulated:vlm" }, files: { kind: "local", root }, ...more });

const told = (prepared: Awaited<ReturnType<typeof prepare>>) =>
  prepared.findings.map(({ severity, field, line, message }) => `${severity} ${field}:${line} ${message}`);

const FIRE = `name: "Early Fire"
description: "several prompts and models"
version: "1.0"
prompts:
  - "early_fire_json"
  - "detailed_sequence_analysis"
models:
  - "qwen2.5vl:7b"
  - "llava:7b"
datasets:
  - "test_sequences"
  - "images"
metrics:
  - "accuracy"
  - "latency"
engine_config:
  timeout: 120
  temperature: 0.1
test_config:
  max_images_per_sequence: 2
`;

test("a SAI suite with an absent dataset and one without truth", async () => {
  await put("images/a.jpg", await picture(8, 6));
  await put("images/b.jpg", await picture(9, 6));
  const prepared = await prepare(FIRE);
  expect(told(prepared)).toEqual([
    `warning datasets[0]:11 test_sequences is not there below ${root}: dataset test_sequences is not run`,
    "warning datasets[1]:12 the dataset images has no truth and no target: accuracy will be n/a",
  ]);
  expect(prepared).toMatchObject({ ok: true, jobs: 4, samples: 8, suiteSha256: sha256(FIRE) });
  expect(prepared.datasets.map(({ id, absent }) => [id, absent === undefined])).toEqual([
    ["test_sequences", false],
    ["images", true],
  ]);
  expect(prepared.datasets[1]?.media.size).toBe(2);
});

test("max_images_per_sequence takes effect, from files and from ready manifests", async () => {
  for (const n of [1, 2, 3, 4]) await put(`test_sequences/s1/${n}.jpg`, await picture(n, 4));
  await put("test_sequences/s1.txt", "0.5,0.5,0.1,0.1");
  const prepared = await prepare(FIRE);
  expect(prepared.datasets[0]?.items[0]?.media.map(({ name }) => name)).toEqual(["s1/1.jpg", "s1/4.jpg"]);
  const [sequence] = prepared.rendered(2);
  expect(sequence?.images).toEqual(["s1/1.jpg", "s1/4.jpg"]);
  expect(sequence?.target).toBe('{"bbox":[0.5,0.5,0.1,0.1],"has_smoke":true}');

  const whole = await prepare(FIRE.replace("max_images_per_sequence: 2", "max_images_per_sequence: 9"));
  const items = parseManifest(whole.datasets[0]?.manifest ?? new Uint8Array());
  expect(items[0]?.media).toHaveLength(4);
  const again = await prepareSuite({
    text: FIRE,
    modelMap: { "*": "simulated:vlm" },
    manifests: new Map([["test_sequences", { items }]]),
  });
  expect(again.datasets[0]?.sha256).toBe(prepared.datasets[0]?.sha256);
});

test("the coordinator, given the client's manifests, makes the client's plan", async () => {
  await put("images/a.jpg", await picture(8, 6));
  const client = await prepare(FIRE);
  const manifests = new Map(
    client.datasets
      .filter(({ items }) => items.length > 0)
      .map(({ id, manifest }) => [id, { items: parseManifest(manifest) }]),
  );
  const coordinator = await prepare(FIRE, {
    manifests,
    files: { kind: "within", dir: join(root, "elsewhere") },
  });
  expect(planOf(coordinator, "c1")).toEqual(planOf(client, "c1"));
});

test("datasets that a client did not send are not run, and its warnings are told once", async () => {
  await put("images/a.jpg", await picture(8, 6));
  const client = await prepare(FIRE);
  const [, images] = client.datasets;
  const warnings = [...client.findings.filter((f) => f.field === "datasets[1]").map((f) => f.message), "odd"];
  const given = {
    manifests: new Map([["images", { items: images?.items ?? [], warnings }]]),
    files: { kind: "within" as const, dir: join(root, "elsewhere") },
  };
  const coordinator = await prepare(FIRE, given);
  expect(told(coordinator)).toEqual([
    "warning datasets[0]:11 test_sequences was not sent along: dataset test_sequences is not run",
    "warning datasets[1]:12 the dataset images has no truth and no target: accuracy will be n/a",
    "warning datasets[1]:12 odd",
  ]);
  expect(planOf(coordinator, "c1")).toEqual(planOf(client, "c1"));

  const beyond = await prepare(FIRE.replace('"test_sequences"', "/etc/none.json"), given);
  expect(told(beyond)[0]).toBe(
    "warning datasets[0]:11 /etc/none.json was not sent along: dataset /etc/none.json is not run",
  );
  await put("elsewhere/test_sequences/s1/1.jpg", await picture(8, 6));
  expect((await prepare(FIRE, given)).datasets[0]?.items).toHaveLength(1);
});

test("it is an error if no dataset has items; it says why of each, and what to do there", async () => {
  await mkdir(join(root, "images"));
  const prepared = await prepare(FIRE);
  expect(prepared.ok).toBe(false);
  const none = "error datasets:10 no dataset of the suite has items: ";
  expect(told(prepared)[0]).toBe(`${none}test_sequences is not there below ${root}; images has no items`);
  expect(prepared.findings[0]?.hint).toContain("--root");
  expect(() => planOf(prepared, "c1")).toThrow(RangeError);

  const remote = await prepare(FIRE, { files: { kind: "within", dir: join(root, "none") } });
  const where = "is not there below the coordinator's datasets folder (storage.datasets_dir)";
  expect(told(remote)[0]).toBe(`${none}test_sequences ${where}; images ${where}`);
  expect(remote.findings[0]?.hint).toContain("storage.datasets_dir");
  expect(remote.findings[0]?.hint).not.toContain("--root");
});

const QA = `schema: sai/v1
name: qa
prompts:
  - id: ask
    template: |
      {{ question }}
    answer: {extract: ['#### (-?[0-9,]+)'], normalize: [trim, strip_commas], type: number}
models:
  - {id: small, engine: simulated, model: lm}
datasets:
  - {id: qa, path: qa.jsonl, target: {path: answer, extract: '#### (-?[0-9,]+)'}}
metrics: [exact_match]
run: {repetitions: 3, shard_size: 2}
`;

test("question and answer from JSON lines to the plan", async () => {
  await put(
    "qa.jsonl",
    '{"question":"2+2?","answer":"so #### 4"}\n{"question":"3+3?","answer":"so #### 6"}\n',
  );
  const prepared = await prepare(QA);
  expect(prepared.findings).toEqual([]);
  expect(prepared.rendered(5)).toEqual([
    {
      model: "small",
      prompt: "ask",
      dataset: "qa",
      item: "0",
      system: "",
      user: "2+2?\n",
      images: [],
      target: '"4"',
    },
    {
      model: "small",
      prompt: "ask",
      dataset: "qa",
      item: "1",
      system: "",
      user: "3+3?\n",
      images: [],
      target: '"6"',
    },
  ]);
  const { jobs, ...plan } = planOf(prepared, "c1");
  expect(plan).toEqual({ v: 1, campaign: "c1", name: "qa", description: "", suiteSha256: sha256(QA) });
  expect(jobs).toHaveLength(1);
  expect(jobs[0]).toMatchObject({
    id: "j0000",
    samples: 6,
    shardSize: 2,
    repetitions: 3,
    dataset: { id: "qa", items: 2, manifestSha256: prepared.datasets[0]?.sha256 },
  });
  expect(sha256(prepared.datasets[0]?.manifest ?? "")).toBe(prepared.datasets[0]?.sha256);
});

test("a variable that rows lack is an error that names it, the item and how many there are", async () => {
  await put(
    "qa.jsonl",
    '{"question":"a","answer":"#### 1"}\n{"q":"b","answer":"#### 2"}\n{"q":"c","answer":"#### 3"}\n',
  );
  const prepared = await prepare(QA);
  expect(prepared.ok).toBe(false);
  expect(told(prepared)).toEqual([
    "error prompts[0]:4 prompt ask cannot be rendered for item 1 of dataset qa (and 1 more item): undefined variable: question, line:1, col:4",
  ]);
  expect(prepared.rendered(5).map(({ item }) => item)).toEqual(["0"]);
});

test("what the matrix leaves out is not checked together", async () => {
  await put("a.jsonl", '{"question":"a","answer":"1"}\n');
  await put("b.jsonl", '{"input":"b","answer":"2"}\n');
  const suite = {
    ...{ schema: "sai/v1", name: "two", metrics: ["latency"] },
    prompts: [
      { id: "ask", template: "{{ question }}" },
      { id: "say", template: "{{ input }}" },
    ],
    models: [
      { id: "lm", engine: "simulated", model: "lm" },
      { id: "reader", engine: "ocr", model: "4.0.0" },
    ],
    datasets: ["a", "b"].map((id) => ({ id, path: `${id}.jsonl` })),
  };
  const include = [
    { prompt: "ask", model: "lm", dataset: "a" },
    { prompt: "say", model: "lm", dataset: "b" },
  ];
  expect(told(await prepare(JSON.stringify({ ...suite, matrix: { include } })))).toEqual([]);
  const all = told(await prepare(JSON.stringify(suite))).join("\n");
  expect(all).toContain("prompt ask cannot be rendered for item 0 of dataset b");
  expect(all).toContain("reader runs on ocr, and the dataset b has no pictures");
});

test("an ocr model warns that prompts do nothing, and needs pictures", async () => {
  await put("qa.jsonl", '{"question":"a","answer":"#### 1"}\n');
  const text = QA.replace("engine: simulated, model: lm", "engine: ocr, model: 4.0.0");
  expect(told(await prepare(text))).toEqual([
    "error models[0]:9 small runs on ocr, and the dataset qa has no pictures",
    "warning models[0]:9 small runs on ocr, which reads the text in pictures and ignores prompts: ask",
  ]);
});

test("a vision prompt over a dataset without pictures warns", async () => {
  const text = `name: n
description: d
prompts: [early_fire_json]
models: [m]
datasets: [{id: t, items: [{input: x, ground_truth: {has_smoke: true}}]}]
metrics: [accuracy]
`;
  expect(told(await prepare(text))).toEqual([
    "warning prompts[0]:3 prompt early_fire_json asks about pictures, and the dataset t has none",
  ]);
});

test("prompt files: read here, or handed over; absent or outside they are errors", async () => {
  await put("qa.jsonl", '{"question":"a","answer":"#### 1"}\n');
  await put("ask.liquid", "File: {{ question }}");
  const text = QA.replace("template: |\n      {{ question }}", "file: ask.liquid");
  const prepared = await prepare(text);
  expect(prepared.rendered(1)[0]?.user).toBe("File: a");
  expect([...prepared.promptFiles]).toEqual([["ask", "File: {{ question }}"]]);
  const handed = await prepare(text, { promptFiles: new Map([["ask", "Given: {{ question }}"]]) });
  expect(handed.rendered(1)[0]?.user).toBe("Given: a");
  expect(told(await prepare(text.replace("ask.liquid", "no.liquid")))).toEqual([
    `error prompts[0].file:5 no.liquid is not there below ${root}`,
  ]);
  const within: Partial<PrepareInput> = { files: { kind: "within", dir: root } };
  expect(told(await prepare(text.replace("ask.liquid", "../../etc/hostname"), within))).toEqual([
    "error prompts[0].file:5 ../../etc/hostname leads out of the datasets folder",
  ]);
});

test("a prompt file outside: refused below --root, named without", async () => {
  await put("set/qa.jsonl", '{"question":"a","answer":"#### 1"}\n');
  await put("ask.liquid", "File: {{ question }}");
  const text = QA.replace("template: |\n      {{ question }}", "file: ../ask.liquid");
  const fenced = await prepare(text, { files: { kind: "local", root: join(root, "set") } });
  expect(fenced.ok).toBe(false);
  expect(told(fenced)).toEqual([`error prompts[0].file:5 ../ask.liquid leads out of ${join(root, "set")}`]);
  const free = await prepare(text, { files: { kind: "local", suiteFile: join(root, "set/suite.yaml") } });
  expect(free.ok).toBe(true);
  expect(told(free)).toEqual([
    `warning prompts[0].file:5 ../ask.liquid lies outside of the suite's folder and will be read and uploaded: ${join(root, "ask.liquid")}`,
  ]);
});

test("problems of all parts are reported together, errors first", async () => {
  const text = `name: n
description: d
prompts: [early_fire_jsn]
models: [m]
datasets: [{id: t, items: [{input: x}]}]
metrics: [accuracy]
promts: 1
`;
  const prepared = await prepare(text, {
    modelMap: {},
    available: [{ engine: "ollama", models: ["llava:7b"] }],
  });
  expect(told(prepared)).toEqual([
    'error prompts[0]:3 there is no prompt "early_fire_jsn"',
    "error models[0]:4 no reachable engine has the model m; there are ollama:llava:7b",
    'warning promts:7 unknown key "promts", not used',
    "warning datasets[0]:5 the dataset t has no truth and no target: accuracy will be n/a",
  ]);
});

test("hostile text gives findings and no suite", async () => {
  const prepared = await prepare("[".repeat(2_000));
  expect(prepared).toMatchObject({ ok: false, jobs: 0, samples: 0, prompts: [], models: [], datasets: [] });
  expect(prepared.suite).toBeUndefined();
  expect(prepared.rendered(3)).toEqual([]);
});

test("a matrix too large to expand is refused before it is expanded", async () => {
  const list = (n: number, name: (i: number) => string) => [...Array(n).keys()].map(name).join(", ");
  const text = `name: n
description: d
prompts: [${list(200, (i) => `{id: p${i}, template: x}`)}]
models: [${list(60, (i) => `m${i}`)}]
datasets: [{id: t, items: [{input: x, target: y}]}]
metrics: [exact_match]
run: {repetitions: 1000}
`;
  expect(told(await prepare(text))).toEqual([
    "error :0 the matrix has 12000 jobs; the limit is 10000",
    "error :0 the matrix has 12000000 samples; the limit is 10000000",
  ]);
});
