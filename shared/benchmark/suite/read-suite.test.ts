import fc from "fast-check";
import { expect, test } from "vitest";
import type { Json } from "../json.js";
import { readSuite } from "./read-suite.js";
import type { Suite } from "./suite-types.js";

type Obj = { [key: string]: Json };

const plain: Obj = {
  name: "n",
  description: "d",
  prompts: ["early_fire_json"],
  models: ["qwen2.5vl:7b"],
  datasets: ["images"],
  metrics: ["accuracy"],
};

function suiteOf(more: Obj = {}): Suite {
  const { suite, findings } = readSuite({ ...plain, ...more });
  if (!suite) throw new Error(JSON.stringify(findings));
  return suite;
}

const found = (more: Obj) => readSuite({ ...plain, ...more }).findings;
/** `severity field: message (hint)` of each finding. */
const told = (more: Obj) => found(more).map((f) => `${f.severity} ${f.field}: ${f.message} (${f.hint})`);

test("names that lead elsewhere are refused where they stand; a path may have them", () => {
  const none = (name: string) => `${JSON.stringify(name)} cannot be a name (choose another one)`;
  expect(told({ models: ["__proto__", { id: "constructor" }, { name: "prototype" }] })).toEqual([
    `error models[0]: ${none("__proto__")}`,
    `error models[1].id: ${none("constructor")}`,
    `error models[2].name: ${none("prototype")}`,
  ]);
  const up = (id: string) => `${JSON.stringify(id)} has .. as a part (a name is no path; leave the .. out)`;
  const items = [{ input: "x" }];
  expect(
    told({
      datasets: [
        { id: "../x", items },
        { id: "a/..", path: "p" },
        { id: "a..b/c", items },
      ],
    }),
  ).toEqual([`error datasets[0].id: ${up("../x")}`, `error datasets[1].id: ${up("a/..")}`]);
  const { datasets } = suiteOf({ datasets: ["../sets/a.json", { path: "b/../../c.csv" }] });
  expect(datasets.map(({ id, path }) => [id, path])).toEqual([
    ["_/sets/a.json", "../sets/a.json"],
    ["b/_/_/c.csv", "b/../../c.csv"],
  ]);
});

test("a dataset that is refused has no unknown keys beside", () => {
  expect(told({ datasets: [{ id: "far", path: "s3://bucket/x", sample: 3 }] })).toEqual([
    "error datasets[0]: datasets from s3:// are not supported in this version (download it and give the path of the file or folder)",
  ]);
  expect(told({ datasets: [{ id: "both", path: "x", items: [{}], target: "t" }] })).toHaveLength(1);
});

test("the beginning of a metric's name is enough to be told the rest", () => {
  expect(found({ metrics: ["f1_s"] })[0]?.hint).toBe('did you mean "f1_score"?');
});

test("a minimal SAI suite has the defaults", () => {
  expect(readSuite(plain)).toEqual({
    findings: [],
    suite: {
      schema: "sai",
      name: "n",
      description: "d",
      version: "",
      prompts: [{ field: "prompts[0]", id: "early_fire_json" }],
      models: [{ field: "models[0]", id: "qwen2.5vl:7b", options: {} }],
      datasets: [{ field: "datasets[0]", id: "images", path: "images" }],
      metrics: [{ id: "accuracy" }],
      generation: { timeoutS: 120, maxRetries: 3, retryDelayS: 1 },
      engineOptions: {},
      test: { iouThreshold: 0.5, confidenceThreshold: 0.5, includeRawResponses: true },
      run: { mode: "quality", repetitions: 1, shardSize: 16, maxAttempts: 3, cache: "off" },
      placement: { mixed: false },
    },
  });
});

test("engine_config is split into generation settings and engine options", () => {
  const { generation, engineOptions } = suiteOf({
    engine_config: {
      temperature: 0.1,
      max_tokens: 100,
      top_p: 0.9,
      top_k: 40,
      seed: 7,
      timeout_seconds: 60,
      max_retries: 2,
      retry_delay: 0.5,
      base_url: "http://127.0.0.1:11434",
      num_ctx: 4096,
      num_gpu: 1,
      num_thread: 4,
      repeat_penalty: 1.1,
      max_image_size: 1024,
      device: "auto",
      device_map: "auto",
      torch_dtype: "float16",
      cache_dir: "/models",
      max_memory: { "0": "20GiB" },
      trust_remote_code: false,
      load_in_8bit: false,
      load_in_4bit: true,
      max_concurrent_requests: 4,
      request_delay: 0.1,
      stop: ["\n\n"],
    },
  });
  expect(generation).toEqual({
    temperature: 0.1,
    max_tokens: 100,
    top_p: 0.9,
    top_k: 40,
    seed: 7,
    timeoutS: 60,
    maxRetries: 2,
    retryDelayS: 0.5,
    num_ctx: 4096,
    repeat_penalty: 1.1,
    maxImageSize: 1024,
    maxConcurrentRequests: 4,
    requestDelayS: 0.1,
    stop: ["\n\n"],
  });
  expect(engineOptions).toEqual({
    base_url: "http://127.0.0.1:11434",
    num_gpu: 1,
    num_thread: 4,
    device: "auto",
    device_map: "auto",
    torch_dtype: "float16",
    cache_dir: "/models",
    max_memory: { "0": "20GiB" },
    trust_remote_code: false,
    load_in_8bit: false,
    load_in_4bit: true,
  });
});

test("test_config works; what it cannot do is said", () => {
  const test_config = {
    max_images_per_sequence: 5,
    iou_threshold: 0.4,
    confidence_threshold: 0.7,
    max_workers: 2,
    timeout_per_test: 30,
    retry_failed_tests: false,
    include_raw_responses: false,
    continue_on_error: false,
    failure_threshold: 0.2,
    nms_threshold: 0.5,
    fps_sampling: 1,
    save_intermediate_results: true,
    save_failed_cases: false,
  };
  const { test: settings, generation } = suiteOf({ test_config });
  expect(settings).toEqual({
    iouThreshold: 0.4,
    confidenceThreshold: 0.7,
    maxImagesPerSequence: 5,
    includeRawResponses: false,
    maxFailures: 1,
    failureThreshold: 0.2,
  });
  expect(generation).toEqual({ timeoutS: 30, maxRetries: 0, retryDelayS: 1, maxConcurrentRequests: 2 });
  expect(told({ test_config })).toEqual([
    "warning test_config.nms_threshold: nms_threshold is not applied ()",
    "warning test_config.fps_sampling: fps_sampling is not applied ()",
    "warning test_config.save_failed_cases: save_failed_cases: false is not applied; every sample's record is kept ()",
  ]);
});

test("engine_config wins over test_config where both speak of requests", () => {
  const { generation } = suiteOf({
    engine_config: { timeout: 60, max_retries: 5, max_concurrent_requests: 8 },
    test_config: { timeout_per_test: 30, retry_failed_tests: false, max_workers: 2 },
  });
  expect(generation).toEqual({ timeoutS: 60, maxRetries: 5, retryDelayS: 1, maxConcurrentRequests: 8 });
  expect(
    suiteOf({ test_config: { parallel_execution: false, max_workers: 8 } }).generation.maxConcurrentRequests,
  ).toBe(1);
});

test("object-style models and datasets of SAI suites", () => {
  const suite = suiteOf({
    models: [
      { name: "m:1", type: "ollama", description: "d" },
      { name: "other", type: "vision" },
    ],
    datasets: [{ name: "fire", type: "image_sequence", path: "data/fire", description: "d" }],
  });
  expect(suite.models.map(({ id, engine }) => [id, engine])).toEqual([
    ["m:1", "ollama"],
    ["other", undefined],
  ]);
  expect(suite.datasets).toEqual([
    { field: "datasets[0]", id: "fire", type: "sequences", path: "data/fire" },
  ]);
});

test("metrics in all their shapes", () => {
  const ids = (metrics: Json) => suiteOf({ metrics }).metrics;
  expect(
    ids(["accuracy", { id: "f1_score", target: ">= 0.80" }, { recall: "> 0.5" }, { name: "latency" }]),
  ).toEqual([
    { id: "accuracy" },
    { id: "f1_score", target: ">= 0.80" },
    { id: "recall", target: "> 0.5" },
    { id: "latency" },
  ]);
  expect(
    ids({
      primary: { accuracy: ">= 0.80", precision: { target: ">= 0.7" } },
      secondary: ["latency", { cost: "< 1" }],
    }),
  ).toEqual([
    { id: "accuracy", target: ">= 0.80" },
    { id: "precision", target: ">= 0.7" },
    { id: "latency" },
    { id: "cost", target: "< 1" },
  ]);
});

test("metrics over repetitions, in both spellings", () => {
  const pass = { id: "exact_match.pass@5", reduce: { of: "exact_match", by: "pass", k: 5 } };
  const run = { repetitions: 5 };
  const metrics = ["exact_match.pass@5", { id: "f1_score", reduce: "majority", target: "> 0.5" }];
  expect(suiteOf({ metrics, run }).metrics).toEqual([
    pass,
    { id: "f1_score.majority", target: "> 0.5", reduce: { of: "f1_score", by: "majority" } },
  ]);
  const others = { all: { "exact_match.pass@5": ">= 0.5", recall: { reduce: "mean" } } };
  expect(suiteOf({ metrics: others, run }).metrics).toEqual([
    { ...pass, target: ">= 0.5" },
    { id: "recall" },
  ]);
  expect(told({ metrics: ["exact_match.pass@5"], run: { repetitions: 4 } })).toEqual([
    "error metrics: exact_match.pass@5 needs 5 repetitions of each item, there are 4 (run: {repetitions: 5})",
  ]);
  expect(told({ metrics: ["recall.majority"] })).toHaveLength(1);
  expect(told({ metrics: ["recall.majority"], run, engine_config: { temperature: 0 } })).toEqual([
    "warning metrics: recall.majority with a temperature of 0: repetitions answer the same (set engine_config.temperature above 0)",
  ]);
  const only = "accuracy, recall, exact_match, contains, bbox_recall, text_recognition_accuracy";
  expect(told({ metrics: ["cer.pass@2"], run })).toEqual([
    `error metrics[0]: cer has no pass@k: pass@k is for what is right or wrong (it is for ${only})`,
  ]);
  expect(told({ metrics: ["bbox_iou.majority", "latency.majority"], run })).toHaveLength(2);
  expect(told({ metrics: ["accuracy.pass@0"], run })[0]).toMatch(/there is no metric/);
});

test("metrics of a suite's own", () => {
  const expression = "abs(total_objects - truth.total_objects)";
  const error = { id: "off", expression, higher_is_better: false, wrong: 9, unit: "objects", target: "< 2" };
  const run = { repetitions: 3 };
  const close = { id: "close", expression: `${expression} <= 1`, when: "truth.total_objects > 0" };
  expect(suiteOf({ metrics: [error, close, { ...close, reduce: "pass@3" }], run }).metrics).toEqual([
    { id: "off", target: "< 2", custom: { expression, wrong: 9, higherIsBetter: false, unit: "objects" } },
    {
      id: "close",
      custom: { expression: close.expression, when: close.when, wrong: 0, higherIsBetter: true },
    },
    {
      id: "close.pass@3",
      custom: { expression: close.expression, when: close.when, wrong: 0, higherIsBetter: true },
      reduce: { of: "close", by: "pass", k: 3 },
    },
  ]);
  const group = { own: { wrong_size: { expression: "size != truth.size", higher_is_better: false } } };
  expect(suiteOf({ metrics: group }).metrics).toMatchObject([{ id: "wrong_size", custom: { wrong: 1 } }]);
});

test.each<[string, Obj, string, RegExp]>([
  ["no expression", { id: "own", expression: "1 +" }, "metrics[0].expression", /character 4/],
  ["no condition", { id: "own", expression: "1", when: "(" }, "metrics[0].when", /character 2/],
  ["another metric's name", { id: "cer", expression: "1" }, "metrics[0]", /cannot name a metric of your own/],
  ["no name", { id: "my metric", expression: "1" }, "metrics[0]", /cannot name a metric of your own/],
  [
    "an error without a worst",
    { id: "e", expression: "1", higher_is_better: false },
    "metrics[0].wrong",
    /needs one/,
  ],
  ["a condition alone", { id: "cer", when: "true" }, "metrics[0].when", /without an expression/],
  ["a number by pass@k", { id: "e", expression: "1", reduce: "pass@1" }, "metrics[0]", /has no pass@k/],
])("a metric of one's own with %s", (_, metric, field, message) => {
  expect(found({ metrics: [metric] })).toMatchObject([
    { severity: "error", field, message: expect.stringMatching(message) },
  ]);
});

test("the choices of an answer", () => {
  const answer = (spec: Obj) => ({ prompts: [{ id: "p", template: "x", answer: spec }] });
  const { prompts } = suiteOf(answer({ type: "choice", choices: ["A", " B "] }));
  expect(prompts[0]?.own?.answer).toEqual({
    ...{ extract: [], normalize: ["trim"], type: "choice", choices: ["A", "B"] },
  });
  for (const choices of [["A", "a"], ["A"], ["A", ""]]) {
    expect(found(answer({ type: "choice", choices }))).toMatchObject([
      { field: "prompts[0].answer.choices", message: expect.stringMatching(/two or more different/) },
    ]);
  }
  expect(found(answer({ type: "number", choices: ["1", "2"] }))).toMatchObject([
    { field: "prompts[0].answer.choices", hint: "type: choice" },
  ]);
});

test("the old place for metrics of one's own is named", () => {
  expect(told({ custom_metrics: [] })).toEqual([
    "error custom_metrics: metrics of your own stand among the others (write each into metrics: {id: NAME, expression: ...})",
  ]);
});

test("execution of SAI suites and run of sai/v1", () => {
  expect(suiteOf({ execution: { repetitions: 3, confidence_interval: 0.95 } }).run.repetitions).toBe(3);
  expect(
    suiteOf({
      schema: "sai/v1",
      run: {
        mode: "quality",
        repetitions: 2,
        warmup: 1,
        shard_size: 4,
        cache: "off",
        retry: { max: 5 },
        max_failures: 9,
      },
    }),
  ).toMatchObject({
    run: { mode: "quality", repetitions: 2, warmup: 1, shardSize: 4, maxAttempts: 5 },
    test: { maxFailures: 9 },
  });
});

test("prompts, models and datasets of sai/v1", () => {
  const suite = suiteOf({
    schema: "sai/v1",
    prompts: [
      {
        id: "solve",
        template: "{{ question }}",
        system: "Be brief.",
        fields: { answer: "answer" },
        output: "text",
        answer: { extract: "#### (.*)", normalize: ["trim", "lower"], type: "number" },
        tags: ["math"],
        use_cases: ["arithmetic"],
        version: 2,
      },
      { id: "other", file: "other.liquid", output_schema: { type: "object" } },
    ],
    models: [
      { id: "m", engine: "ocr", model: "4.0.0_best_int", options: { upscale: 2 }, price: { in_1m: 1 } },
    ],
    datasets: [
      {
        id: "qa",
        items: [{ input: "a", target: "b" }],
        target: { path: "target", extract: "b" },
        cluster_by: "topic",
        sample: { n: 5, seed: 3 },
      },
    ],
  });
  expect(suite.prompts[0]?.own).toEqual({
    name: "solve",
    description: "",
    version: "2",
    template: "{{ question }}",
    system: "Be brief.",
    output: "text",
    fields: { answer: "answer" },
    answer: { extract: ["#### (.*)"], normalize: ["trim", "lower"], type: "number" },
    tags: ["math"],
    useCases: ["arithmetic"],
  });
  expect(suite.prompts[1]?.own).toMatchObject({ file: "other.liquid", output: "json" });
  expect(suite.models[0]).toMatchObject({
    engine: "ocr",
    model: "4.0.0_best_int",
    options: { upscale: 2 },
    price: { in_1m: 1 },
  });
  expect(suite.datasets[0]).toMatchObject({
    type: "inline",
    target: { path: "target", extract: "b" },
    clusterBy: "topic",
    sample: { n: 5, seed: 3 },
  });
});

const LOAD = { kind: "concurrency", values: [1, 8], duration_s: 60 };
const underLoad = (more: Obj): Obj => ({ run: { mode: "load" }, load: { ...LOAD, ...more } });
const made = (more: Obj): Obj => ({
  datasets: [{ id: "d", type: "synthetic", input_tokens: 8, n: 100, ...more }],
});

test("a load has its defaults, may come without metrics, and takes one level for a list of one", () => {
  const { metrics: _, ...rest } = { ...plain, ...underLoad({ kind: "poisson", values: 4 }), ...made({}) };
  const { suite, findings } = readSuite(rest);
  expect(findings).toEqual([]);
  expect(suite).toMatchObject({
    ...{ metrics: [], run: { mode: "load" } },
    load: {
      ...{ kind: "poisson", values: [4], durationMs: 60_000, drainMs: 30_000, maxInflight: 1024 },
      ...{ bustsCache: false, seed: 0, slo: {}, warmup: 5 },
    },
    datasets: [{ id: "d", synthetic: { n: 100, inputTokens: 8, prefixTokens: 0, seed: 0 } }],
  });
});

const WRONG: [name: string, more: Obj, field: string, message: RegExp][] = [
  ["no name", { name: null }, "name", /missing/],
  ["an empty name", { name: " " }, "name", /empty/],
  ["a number as name", { name: 3 }, "name", /expected a text, found 3/],
  ["no prompts", { prompts: [] }, "prompts", /empty/],
  ["a text for a list", { models: "m" }, "models", /expected a list/],
  ["a number as model", { models: [3] }, "models[0]", /expected a name or an object/],
  ["a bad name", { models: ["a b"] }, "models[0]", /is no name/],
  ["a long name", { models: ["m".repeat(129)] }, "models[0]", /is no name/],
  ["a model twice", { models: ["a", "a"] }, "models[1]", /already models\[0\]/],
  [
    "no engine of that name",
    { models: [{ id: "a", engine: "olama" }] },
    "models[0].engine",
    /no engine "olama"/,
  ],
  [
    "a negative price",
    { models: [{ id: "a", price: { in_1m: -1 } }] },
    "models[0].price.in_1m",
    /-1 is not allowed/,
  ],
  ["an unknown metric", { metrics: ["acuracy"] }, "metrics[0]", /no metric "acuracy"/],
  ["a metric twice", { metrics: ["cost", "cost"] }, "metrics[1]", /twice/],
  ["a target without direction", { metrics: [{ accuracy: 0.8 }] }, "metrics[0].accuracy", /is no target/],
  ["no metrics", { metrics: [] }, "metrics", /an empty one/],
  [
    "a negative temperature",
    { engine_config: { temperature: -1 } },
    "engine_config.temperature",
    /-1 is not allowed; it must be a number from 0 to 5/,
  ],
  ["half a token", { engine_config: { max_tokens: 1.5 } }, "engine_config.max_tokens", /whole number/],
  [
    "a text as temperature",
    { engine_config: { temperature: "hot" } },
    "engine_config.temperature",
    /expected a number, found the text "hot"/,
  ],
  ["no time at all", { engine_config: { timeout: 0 } }, "engine_config.timeout", /above 0/],
  [
    "two timeouts",
    { engine_config: { timeout: 1, timeout_seconds: 2 } },
    "engine_config.timeout_seconds",
    /differ/,
  ],
  [
    "a file as server",
    { engine_config: { base_url: "file:///etc/passwd" } },
    "engine_config.base_url",
    /no address/,
  ],
  [
    "a password in the address",
    { engine_config: { base_url: "http://a:b@c" } },
    "engine_config.base_url",
    /no address/,
  ],
  ["a share over 1", { test_config: { iou_threshold: 1.5 } }, "test_config.iou_threshold", /from 0 to 1/],
  ["engine_config as a list", { engine_config: [] }, "engine_config", /expected an object/],
  ["no repetitions", { run: { repetitions: 0 } }, "run.repetitions", /from 1/],
  ["a load without one", { run: { mode: "load" } }, "load", /there is no load/],
  ["a load that nobody asks for", { load: LOAD }, "load", /run.mode does not ask for it/],
  ["a mode", { run: { mode: "loud" } }, "run.mode", /"loud" is not known/],
  ["no kind of load", underLoad({ kind: null }), "load.kind", /kind is missing/],
  ["a kind of load", underLoad({ kind: "burst" }), "load.kind", /"burst" is not known/],
  ["no levels", underLoad({ values: null }), "load.values", /values is missing/],
  [
    "half a request at once",
    underLoad({ values: [1, 1.5] }),
    "load.values[1]",
    /whole number from 1 to 4096/,
  ],
  ["a level twice", underLoad({ values: [2, 2] }), "load.values", /there twice/],
  ["a rate of none", underLoad({ kind: "poisson", values: [0] }), "load.values[0]", /above 0/],
  ["a sweep of one", underLoad({ kind: "sweep", values: [4] }), "load.values", /two levels at least/],
  ["a sweep that descends", underLoad({ kind: "sweep", values: [4, 2] }), "load.values", /ascend/],
  [
    "too many requests",
    underLoad({ kind: "constant", values: [9999] }),
    "load.values[0]",
    /the limit is 100000/,
  ],
  ["no request at all", underLoad({ kind: "constant", values: [0.01] }), "load.values[0]", /less than one/],
  ["no time", underLoad({ duration_s: 0 }), "load.duration_s", /above 0/],
  ["a bound for a closed loop", underLoad({ max_inflight: 4 }), "load.max_inflight", /the level itself/],
  ["a prompt cache", underLoad({ prompt_cache: "off" }), "load.prompt_cache", /"off" is not known/],
  ["an SLO", underLoad({ slo: { ttft_ms: -1 } }), "load.slo.ttft_ms", /above 0/],
  ["synthetic texts of no length", made({ input_tokens: null }), "datasets[0].input_tokens", /is missing/],
  ["a prefix longer than the text", made({ prefix_tokens: 9 }), "datasets[0].prefix_tokens", /9 of 8 input/],
  ["too much synthetic text", made({ input_tokens: 1e6 }), "datasets[0].n", /too many/],
  ["a cache", { run: { cache: "always" } }, "run.cache", /"always" is not known/],
  ["fewshot without n", { fewshot: { seed: 2 } }, "fewshot", /no n/],
  ["fewshot as turns", { fewshot: { n: 2, as: "turns" } }, "fewshot.as", /not supported in this version/],
  ["a template of answers", { fewshot: { n: 2, target_template: "{{" } }, "fewshot.target_template", /wrong/],
  ["a rule without axes", { matrix: { exclude: [{}] } }, "matrix.exclude[0]", /names no prompt/],
  [
    "a rule about no model",
    { matrix: { exclude: [{ model: "qwen2.5vl:7" }] } },
    "matrix.exclude[0].model",
    /no model "qwen2.5vl:7"/,
  ],
  ["a filter that is a number", { datasets: [{ path: "a", filter: 3 }] }, "datasets[0].filter", /found 3/],
  [
    "a filter that is no expression",
    { datasets: [{ path: "a", filter: "x ==" }] },
    "datasets[0].filter",
    /wrong at character/,
  ],
  [
    "a filter on an object",
    { datasets: [{ path: "a", filter: { x: { least: 3 } } }] },
    "datasets[0].filter.x",
    /expected a value/,
  ],
  [
    "a scenario of an unknown dataset",
    { test_scenarios: [{ name: "x", dataset: "imagse", expected_performance: { recall: 0.5 } }] },
    "test_scenarios[0].datasets",
    /no dataset "imagse"/,
  ],
  [
    "a scenario twice",
    { test_scenarios: [1, 2].map(() => ({ name: "x", filter: "a", expected_performance: { recall: 1 } })) },
    "test_scenarios[1]",
    /already test_scenarios\[0\]/,
  ],
  [
    "two targets of one metric",
    { success_criteria: { recall: 0.5, min_recall: 0.6 } },
    "success_criteria.min_recall",
    /two targets/,
  ],
  [
    "a criterion that compares nothing",
    { success_criteria: { recall: "high" } },
    "success_criteria.recall",
    /is no target/,
  ],
  ["a report that is a text", { reporting: "html" }, "reporting", /expected an object/],
  [
    "a config that is a text",
    { models: [{ id: "a", config: "x" }] },
    "models[0].config",
    /expected an object/,
  ],
  [
    "a model's temperature",
    { models: [{ id: "a", config: { temperature: -1 } }] },
    "models[0].config.temperature",
    /-1 is not allowed/,
  ],
  ["labels of nodes", { placement: { labels: { a: "b" } } }, "placement.labels", /not supported in this/],
  ["an exclusive GPU", { placement: { exclusive_gpu: true } }, "placement.exclusive_gpu", /not supported/],
  ["a mixed placement that is none", { placement: { mixed: "yes" } }, "placement.mixed", /true or false/],
  ["another schema", { schema: "sai/v2" }, "schema", /not known/],
  ["a dataset in the cloud", { datasets: ["s3://bucket/x"] }, "datasets[0]", /s3:\/\/ are not supported/],
  [
    "a dataset from a hub",
    { datasets: [{ id: "a", uri: "hf://org/a" }] },
    "datasets[0]",
    /hf:\/\/ are not supported/,
  ],
  ["a dataset without anything", { datasets: [{ id: "a" }] }, "datasets[0]", /neither a path nor items/],
  ["a path and items", { datasets: [{ id: "a", path: "b", items: [{}] }] }, "datasets[0]", /both/],
  [
    "an unknown dataset type",
    { schema: "sai/v1", datasets: [{ path: "a", type: "hf" }] },
    "datasets[0].type",
    /not supported/,
  ],
  [
    "a bad target pattern",
    { datasets: [{ path: "a", target: { path: "b", extract: "(?=a)" } }] },
    "datasets[0].target.extract",
    /no RE2 pattern/,
  ],
  ["a sample of nothing", { datasets: [{ path: "a", sample: { n: 0 } }] }, "datasets[0].sample.n", /from 1/],
  [
    "a template and a file",
    { prompts: [{ id: "a", template: "x", file: "y" }] },
    "prompts[0].file",
    /not both/,
  ],
  [
    "fields without a template",
    { prompts: [{ id: "a", fields: { x: "y" } }] },
    "prompts[0]",
    /fields without a template/,
  ],
  [
    "a bad normalizer",
    { prompts: [{ id: "a", template: "x", answer: { normalize: ["upper"] } }] },
    "prompts[0].answer.normalize[0]",
    /not known/,
  ],
];

WRONG.push(
  [
    "a bad answer pattern",
    { prompts: [{ id: "a", template: "x", answer: { extract: ["a", "(?<=a)b"] } }] },
    "prompts[0].answer.extract[1]",
    /no RE2 pattern/,
  ],
  [
    "a pattern that is written out",
    { prompts: [{ id: "a", template: "x", answer: { extract: "a{1,150}b{60}" } }] },
    "prompts[0].answer.extract[0]",
    /repetitions add up/,
  ],
  [
    "many patterns",
    {
      prompts: [...Array(20).keys()].map((i) => ({
        id: `p${i}`,
        template: "x",
        answer: { extract: [..."abcdef"] },
      })),
    },
    "",
    /120 patterns; the limit is 100/,
  ],
  [
    "a long list",
    { models: [...Array(201).keys()].map((i) => `m${i}`) },
    "models",
    /201 entries; the limit is 200/,
  ],
);

test.each(WRONG)("an error: %s", (_name, more, field, message) => {
  const errors = found(more).filter(({ severity }) => severity === "error");
  expect(errors.map((error) => error.field)).toEqual([field]);
  expect(errors[0]?.message).toMatch(message);
  expect(readSuite({ ...plain, ...more }).suite).toBeUndefined();
});

test("unknown keys warn with a suggestion, and are errors when strict", () => {
  const more = { engine_config: { temprature: 0 }, promts: [] };
  expect(told(more)).toEqual([
    'warning engine_config.temprature: unknown key "temprature", not used (did you mean "temperature"?)',
    'warning promts: unknown key "promts", not used (did you mean "prompts"?)',
  ]);
  expect(suiteOf(more).generation.temperature).toBeUndefined();
  expect(found({ ...more, strict: true }).map(({ severity }) => severity)).toEqual(["error", "error"]);
});

test("suggestions for misspelt metrics and engines", () => {
  expect(found({ metrics: ["f1_scor"] })[0]?.hint).toBe('did you mean "f1_score"?');
  expect(found({ models: [{ id: "a", engine: "olama" }] })[0]?.hint).toBe('did you mean "ollama"?');
});

test("all problems are reported at once, each with its line", () => {
  const { findings } = readSuite(
    { ...plain, prompts: [], models: ["a b"], engine_config: { seed: -1 } },
    (path) => path.length,
  );
  expect(findings.map(({ field, line }) => [field, line])).toEqual([
    ["engine_config.seed", 18],
    ["prompts", 7],
    ["models[0]", 9],
  ]);
});

test("parts of SAI suites that are not applied are named", () => {
  expect(
    told({
      reporting: { formats: ["html"] },
      stress_tests: [{ concurrent: 8 }],
      success_criteria: ["people are happy"],
      execution: { shuffle: true },
      ...{ author: "me", created: "2024", metadata: {} },
    }).map((line) => line.replace(/ \(.*/, "")),
  ).toEqual([
    "warning execution.shuffle: shuffle is not applied",
    'warning success_criteria[0]: "people are happy" is no metric with a target, not checked',
    "warning reporting: reporting is not applied: formats",
    "warning stress_tests: stress_tests are not run",
  ]);
});

test("metrics of plain suites that nobody computes are left out, misspelt ones refused", () => {
  const metrics = { detection: ["recall", "memory_usage"], more: ["mAP@0.5", { fps: ">= 10" }] };
  expect(suiteOf({ metrics }).metrics).toEqual([{ id: "recall" }, { id: "map_50" }]);
  expect(told({ metrics })).toEqual([
    'warning metrics.detection[1]: there is no metric "memory_usage", not computed ()',
    'warning metrics.more[1].fps: there is no metric "fps", not computed ()',
  ]);
  const errors = (more: Obj) => found(more).filter(({ severity }) => severity === "error");
  expect(errors({ strict: true, metrics })).toHaveLength(2);
  expect(errors({ schema: "sai/v1", metrics })).toHaveLength(2);
  expect(errors({ metrics: ["recall", "acuracy"] })).toHaveLength(1);
  expect(errors({ metrics: ["fps"] })).toHaveLength(1);
});

test("targets may have units and signs as people write them", () => {
  const metrics = [{ latency: "< 2 s" }, { recall: "≥ 95 %" }];
  expect(suiteOf({ metrics }).metrics).toEqual([
    { id: "latency", target: "< 2 s" },
    { id: "recall", target: "≥ 95 %" },
  ]);
});

test("success criteria become targets, in all the ways they are written", () => {
  const success_criteria = {
    accuracy: ">= 0.9",
    min_precision: 0.8,
    detection: { f1_score: { min: 0.7 }, bbox_iou: { threshold: 0.5 } },
    max_latency: 2000,
    cost: 1,
  };
  const metrics = [{ accuracy: ">= 0.8" }, "precision"];
  expect(suiteOf({ metrics, success_criteria }).metrics).toEqual([
    { id: "accuracy", target: ">= 0.8" },
    { id: "precision", target: ">= 0.8" },
    { id: "f1_score", target: ">= 0.7" },
    { id: "bbox_iou", target: ">= 0.5" },
    { id: "latency", target: "<= 2000" },
    { id: "cost", target: "<= 1" },
  ]);
  expect(told({ metrics, success_criteria })).toEqual([
    "warning success_criteria: accuracy >= 0.9 is not checked: metrics asks for >= 0.8 already ()",
  ]);
  const list = [
    { metric: "recall", threshold: 0.9 },
    { name: "cer", max: 0.1 },
  ];
  expect(suiteOf({ metrics: ["accuracy"], success_criteria: list }).metrics.slice(1)).toEqual([
    { id: "recall", target: ">= 0.9" },
    { id: "cer", target: "<= 0.1" },
  ]);
});

test("a model's config is over engine_config, for this model alone", () => {
  const suite = suiteOf({
    models: [{ name: "m", path: "org/m", config: { temperature: 0.7, num_gpu: 1 } }, "other"],
    engine_config: { temperature: 0 },
  });
  expect(suite.models[0]).toEqual({
    ...{ field: "models[0]", id: "m", model: "org/m", options: {} },
    config: { generation: { temperature: 0.7 }, engineOptions: { num_gpu: 1 } },
  });
  expect(suite.generation.temperature).toBe(0);
});

test("filters, scenarios, few-shot and the matrix", () => {
  const suite = suiteOf({
    datasets: [
      { id: "a", path: "a.jsonl", split: "test", ids: ["1"], filter: "weather == 'fog'" },
      {
        id: "b",
        path: "b.jsonl",
        filter: { time: "night", count: ">= 5", w: ["fog", "rain"], k: { max: 3 } },
      },
    ],
    test_scenarios: [
      {
        name: "night",
        description: "d",
        filter_conditions: { time: "night" },
        expected_performance: { recall: 0.9 },
      },
    ],
    fewshot: { n: 3, seed: 1, mode: "per_item", as: "text", split: "train" },
    matrix: { include: [{ models: ["qwen2.5vl:7b"] }], exclude: [{ dataset: "b" }] },
    execution: { repetitions: 2, warmup_runs: 1, random_seed: 5 },
  });
  expect(suite.datasets[0]).toMatchObject({
    split: "test",
    ids: ["1"],
    filter: { expression: "weather == 'fog'" },
  });
  expect(suite.datasets[1]?.filter?.columns).toEqual([
    { column: "time", kind: "in", values: ["night"] },
    { column: "count", kind: "compare", operator: ">=", value: 5 },
    { column: "w", kind: "in", values: ["fog", "rain"] },
    { column: "k", kind: "compare", operator: "<=", value: 3 },
  ]);
  expect(suite.scenarios).toEqual([
    {
      ...{ field: "test_scenarios[0]", name: "night" },
      filter: { columns: [{ column: "time", kind: "in", values: ["night"] }] },
      expected: [{ id: "recall", target: ">= 0.9" }],
    },
  ]);
  expect(suite.fewshot).toMatchObject({ n: 3, seed: 1, mode: "per_item", split: "train" });
  expect(suite.matrix).toEqual({ include: [{ models: ["qwen2.5vl:7b"] }], exclude: [{ datasets: ["b"] }] });
  expect(suite).toMatchObject({ run: { repetitions: 2, warmup: 1 }, generation: { seed: 5 } });
});

test("any value is read without an exception", () => {
  const seed = Number(process.env["SEED"] ?? 20_262);
  const keys = [
    ...Object.keys(plain),
    "engine_config",
    "test_config",
    "run",
    "execution",
    "schema",
    "strict",
    "id",
    "path",
    "items",
    "target",
    "answer",
    "template",
    "fields",
    "sample",
  ];
  const { value } = fc.letrec<{ value: Json }>((tie) => ({
    value: fc.oneof(
      { depthSize: "small" },
      fc.constantFrom<Json>(null, true, 0, -1, 1.5, 1e300, "", "a", "sai/v1", "accuracy", "hf://a"),
      fc.array(tie("value"), { maxLength: 4 }),
      fc.dictionary(fc.oneof(fc.constantFrom(...keys), fc.string()), tie("value"), { maxKeys: 8 }),
    ),
  }));
  fc.assert(
    fc.property(value, fc.boolean(), (json, merged) => {
      const whole =
        merged && typeof json === "object" && json !== null && !Array.isArray(json)
          ? { ...plain, ...json }
          : json;
      const { suite, findings } = readSuite(whole);
      expect(suite === undefined).toBe(findings.some(({ severity }) => severity === "error"));
    }),
    { seed, numRuns: 2_000 },
  );
});

test("tens of thousands of unknown keys are counted, not listed", () => {
  const junk = Object.fromEntries([...Array(20_000).keys()].map((i) => [`temperatura${i}`, 1]));
  const findings = found({ engine_config: junk });
  expect(findings).toHaveLength(201);
  expect(findings.at(-1)?.message).toBe("19800 more warnings like these");
  expect(found({ engine_config: junk, strict: true }).at(-1)).toMatchObject({ severity: "error" });
});

test("shards whose times are compared may run on several classes only when the suite says so", () => {
  const base = { schema: "sai/v1", name: "n", prompts: [{ id: "p", template: "t" }], models: ["m"] };
  const suite = { ...base, datasets: [{ id: "d", items: [{ input: "i" }] }], metrics: ["latency"] };
  const read = (more: object) => readSuite({ ...suite, ...more } as never).suite?.placement;
  expect([read({}), read({ placement: { mixed: true } })]).toEqual([{ mixed: false }, { mixed: true }]);
});
