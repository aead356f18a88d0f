import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type {
  Cell,
  Distribution,
  GpuUse,
  LoadResult,
  MetricValue,
  Summary,
} from "../../shared/benchmark/summary.js";
import type { ExampleAnswer } from "./example.js";
import { renderHtml } from "./report-html.js";

const GPU: GpuUse = {
  ...{ gpus: 2, windows: 4, windowsWithEnergy: 3, noEnergy: {}, energyJ: 300, energySource: "integrated" },
  ...{ samples: 24, energyPerSampleJ: 12.5, tokensPerJ: 3.2, meanPowerW: 401, peakPowerW: 512 },
  ...{ smClockMhz: 1980, leastSmClockMhz: 1905, temperatureC: 71, memoryBytes: 40 * 1024 ** 3 },
  ...{ utilizationPercent: 0, flags: { clock_change: 1 } },
};

const fixture = (file: string): Summary =>
  JSON.parse(readFileSync(new URL(`./fixtures/${file}.json`, import.meta.url), "utf8")) as Summary;
const ocr = fixture("ocr-baseline");
const smoke = fixture("smoke-detection");

describe("renderHtml", () => {
  it.each([
    ["ocr", ocr],
    ["smoke", smoke],
  ])("gives well-formed, self-contained HTML without script (%s)", (_, summary) => {
    expectSound(renderHtml(summary, { generatedAt: "2026-03-04T18:00:00Z", version: "0.1.0" }));
  });

  it("shows the demo's findings: winner, tie, crossover, loser", () => {
    const text = words(renderHtml(ocr));
    expect(text).toContain("Leads on exact_match 81.7 % LSTM + 2x shares rank 1 with LSTM (80.0 %)");
    expect(text).toContain(
      "TIE No significant difference between LSTM and LSTM + 2x on exact_match (−1.7 points).",
    );
    expect(text).toContain(
      "Exact McNemar test: p 1.00, Holm p 1.00, n 60; only LSTM right in 3, only LSTM + 2x in 4.",
    );
    expect(text).toContain("BETTER LSTM is better than legacy on exact_match (+41.7 points).");
    expect(text).toContain("LSTM is better than legacy on cer (−27.6 points).");
    expect(text).toContain("68.2 % to 88.2 %");
    expect(text).toContain("cer lower is better");
    expect(text).toContain("Ended 2026-03-02 09:14:15 UTC Took 10.4 s");
    expect(text).toContain("† p99: 60 values, 299 needed");
    expect(text).toContain("n/a: engine does not stream");
    expect(text).not.toContain("SIMULATED");
  });

  it("says which model to take where money counts, and what each costs", () => {
    const [{ prompt = "", dataset = "" } = {}] = smoke.cells;
    const [a = "", b = ""] = smoke.cells.map(({ model }) => model);
    const costs = [
      { model: b, usdPer1000: 0.4 },
      { model: a, usdPer1000: 3, usdPerCorrect: 0.004 },
    ];
    const one = {
      prompt,
      dataset,
      metric: "f1_score",
      best: a,
      model: b,
      margin: 0.05,
      undecided: [],
      costs,
    };
    const text = words(renderHtml({ ...smoke, recommendations: [{ ...one, text: "take the other one" }] }));
    expect(text).toContain("take the other one");
    expect(text).toContain(`${b} f1_score $0.400 n/a ✓ recommended`);
    expect(text).toContain("best value");
  });

  it("shows samples with their boxes and answers; what a model says is shown, never run", () => {
    const box = { xc: 0.5, yc: 0.5, w: 0.2, h: 0.4 };
    const [model = ""] = smoke.cells.map((cell) => cell.model);
    const answers: ExampleAnswer[] = [
      {
        model,
        status: "ok",
        mark: 0.5,
        text: "<script>alert(1)</script>",
        boxes: [{ label: "", box, score: 0.9 }],
      },
      { model: "another", status: "timeout", mark: 0, text: "timeout: none came", boxes: [] },
    ];
    const shared = { why: "models differ" as const, level: undefined, input: "a < b", expected: undefined };
    const picture = { width: 640, height: 480, url: "data:image/jpeg;base64,AAAA" };
    const trueBoxes = [{ label: "smoke", box: { ...box, w: 3 } }];
    const examples = [
      { ...shared, id: "i<1>", picture, pictures: 2, trueBoxes, answers },
      { ...shared, id: "2", picture: undefined, pictures: 1, trueBoxes: [], answers: [] },
    ];
    const text = { prompt: "p", dataset: "d", template: "{{ input }}", system: "<b>", items: 9, lookedAt: 4 };
    const page = renderHtml(smoke, { examples: [{ ...text, examples }] });
    expectSound(page);
    // The true box is as wide as the picture: it does not leave it.
    expect(page).toContain('<rect class="box-true" x="0" y="94.5" width="420" height="126"/>');
    expect(page).toContain(`<rect class="box m0" x="168" y="94.5" width="84" height="126"/>`);
    expect(words(page)).toContain("2 of the first 4 of 9 items.");
    expect(words(page)).toContain("0.50 0.50 0.20 0.40 (0.90)");
    expect(words(page)).toContain("TIMEOUT timeout: none came");
    expect(words(page)).toContain("The picture cannot be shown here.");
    expect(words(renderHtml(smoke))).not.toContain("Chosen by rule");
  });

  it("shows the original's numbers apart, as what they are, and not where nobody asked for them", () => {
    const metrics = [
      { id: "f1_score", value: 0.4, std: 0.49, n: 5, reason: "" },
      { id: "cer", n: 0, reason: "not reproduced" },
    ];
    const legacy = { warning: "Wrong <on> purpose.", tests: 7, successful: 6, meanLatencyMs: 1500, metrics };
    const page = renderHtml({ ...ocr, legacy });
    expectSound(page);
    const text = words(page);
    expect(text).toContain("LEGACY Wrong <on> purpose. 7 tests, 6 successful, mean latency 1.50 s.");
    expect(text).toContain("f1_score 40.0 % 49.0 % 5 cer n/a not reproduced n/a 0");
    const section = /<section id="legacy">.*?<\/section>\n|<a href="#legacy">.*?<\/a> /gs;
    expect(page.match(section)).toHaveLength(2);
    expect(page.replace(section, "")).toBe(renderHtml(ocr));
  });

  it("shows targets, confusion, failures, settings without effect, machines and simulation marks", () => {
    const text = words(renderHtml(smoke));
    expect(text).toContain("SIMULATED Numbers of 1 of 5 jobs, each marked");
    expect(text).toContain("scripted-oracle SIMULATED");
    expect(text).toContain("Targets met 15 of 25 5 missed, 5 n/a");
    expect(text).toContain("✗ missed");
    expect(text).toContain("n/a the prompt gives no confidence scores");
    expect(text).toContain("True positives 112");
    expect(text).toContain("CUDA out of memory. Tried to allocate 1.17 GiB");
    expect(text).toContain("repeat_penalty");
    expect(text).toContain("gpu-b 429 37.0 % 4.02 s 1.74 ×");
    expect(text).toContain("gpu-c 30 2.6 % n/a no answered sample");
    expect(text).toContain("Samples answered 1,142 of 1,200 19 failed, 21 not parsed, 39 not run");
  });

  it("shows what the GPUs did, that energy is an estimate, and of which attempts it is not known", () => {
    const summary = structuredClone(ocr);
    const [first, second] = summary.cells;
    const load = { ...(first?.e2eMs as Distribution), n: 2, p50: 2500, max: 4000, flags: [] };
    Object.assign(first ?? {}, { gpu: GPU, loadMs: load });
    Object.assign(second ?? {}, { gpu: { ...GPU, energyPerSampleJ: undefined, noEnergy: { shared: 1 } } });
    const html = renderHtml(summary);
    expectSound(html);
    const text = words(html);
    expect(text).toContain("it is estimated from readings of their power");
    expect(text).toContain("LSTM 12.5 J n/a 3.20 401 W 512 W 1980 MHz 1905 MHz 0 % 71.0 °C 40.0 GiB 2");
    expect(text).toContain(
      "LSTM + 2x: energy of 3 of 4 attempts with 24 samples; not known of 1 attempt: the GPUs were shared",
    );
    expect(text).toContain(
      "Model loads, in none of these times Model Loads Median Longest LSTM 2 2.50 s 4.00 s",
    );
    expect(words(renderHtml(ocr))).not.toContain("GPU");
  });

  it("shows levels of a load: rates and times apart, each bar with its level, where the server is saturated", () => {
    const times = ocr.cells[0]?.e2eMs;
    const level = (value: number, keepsUp: boolean): Cell =>
      ({
        ...structuredClone(ocr.cells[0]),
        ...{ model: "m", prompt: "ask", dataset: "made", metrics: [], ttftMs: times, tpotMs: times },
        load: {
          ...{ kind: "sweep", value, windows: 1, windowS: 10, requests: 100, answered: 99, failed: 1 },
          ...{
            unfinished: 0,
            offeredPerS: value,
            requestsPerS: value - 1,
            tokensPerS: 5 * value,
            lagMs: times,
          },
          ...{ responseMs: times, goodputPerS: 3, goodputShare: 0.5, goodputReason: "", keepsUp },
          ...{ peakInflight: 9, loopLagMs: 1, flags: ["censored"] },
        },
      }) as Cell;
    const saturation = {
      model: "m",
      prompt: "ask",
      dataset: "made",
      kind: "sweep",
      value: 4,
      requestsPerS: 7,
    };
    const cells = [level(4, true), level(8, false)];
    const text = "4/s: it does not keep up with 8/s";
    const html = renderHtml({ ...structuredClone(ocr), cells, saturations: [{ ...saturation, text }] });
    expectSound(html);
    const said = words(html);
    expect(said).toContain(`Most answers a second 7.00/s m saturation ${text}`);
    expect(said).toMatch(/m 8\/s 100 99 8.00 7.00 40.0 3.00\/s \(50.0 %\) [\d.]+ censored, saturated/);
    expect(said).toContain("m on ask · made: saturation 4/s");
    expect(html).toContain("m · 4/s");
  });

  it("never lets a simulated model lead real ones", () => {
    const text = words(renderHtml(smoke));
    expect(text).toContain("Leads on accuracy 92.9 % qwen2.5vl:7b shares rank 2 with gemma3:12b (89.2 %)");
    expect(text).toContain("Fastest, median end to end 1.25 s gpt-4o-mini");
  });

  it("escapes hostile names and outputs and shows what hides in them", () => {
    const evil = `"><script>alert(1)</script><img src=x onerror='a'>\`\u202Egnp\u0000\u200B\uD800</svg></style>`;
    const summary = structuredClone(smoke);
    Object.assign(summary, {
      name: evil,
      description: evil,
      state: evil,
      campaignId: evil,
      warnings: [evil],
    });
    for (const cell of summary.cells) {
      Object.assign(cell, { model: evil + cell.model, prompt: evil, dataset: evil, engine: evil, job: evil });
      cell.modelDigest = evil;
      cell.notApplied = [evil];
      cell.flags = { [evil]: 1 };
      cell.failures = [{ status: evil, class: evil, example: evil, count: 1 }];
      for (const m of cell.metrics) Object.assign(m, { id: evil + m.id, reason: evil, unit: evil });
      for (const m of cell.metrics) if (m.target) m.target.expression = evil;
    }
    for (const c of summary.comparisons)
      Object.assign(c, { a: evil, b: evil, prompt: evil, dataset: evil, method: evil });
    for (const node of summary.nodes) node.node = evil;
    const html = renderHtml(summary, { generatedAt: evil, version: evil });
    expectSound(html);
    expect(html).not.toMatch(/<img|<script|[\u202E\u200B]|\p{Surrogate}/u);
    expect(html).toContain("&#60;script&#62;alert(1)");
    expect(html).not.toContain("\0");
    expect(html).toContain("\\u202E");
  });

  it("keeps very long ids whole in tables and cuts them in drawings only", () => {
    const summary = structuredClone(ocr);
    const long = `org/${"very-long-model-name-".repeat(40)}end`;
    for (const cell of summary.cells) cell.model = `${long}-${cell.job}`;
    const html = renderHtml(summary);
    expectSound(html);
    expect(html).toContain(`<bdi>${long}-j0000</bdi>`);
    expect(html).toMatch(/org\/very[^<]{0,30}…[^<]{0,30}j0000<\/text>/);
  });

  it("says that there is nothing when there are no cells", () => {
    const html = renderHtml({ ...ocr, cells: [], comparisons: [], nodes: [], warnings: [] });
    expectSound(html);
    expect(words(html)).toContain("This campaign has no jobs");
    expect(html).not.toContain("<figure");
  });

  it("draws sixty cells in one task and in many", () => {
    const cells = (of: (i: number) => Partial<Cell>): Cell[] =>
      Array.from({ length: 60 }, (_, i) => ({ ...(ocr.cells[i % 3] as Cell), job: `j${i}`, ...of(i) }));
    const one = renderHtml({ ...ocr, cells: cells((i) => ({ model: `model-${i}` })) });
    expectSound(one);
    for (let i = 0; i < 60; i++) expect(one).toContain(`<bdi>model-${i}</bdi>`);
    expect(one.match(/<svg role="img"/g)?.length).toBe(7);
    const many = renderHtml({ ...ocr, cells: cells((i) => ({ dataset: `set-${Math.floor(i / 3)}` })) });
    expectSound(many);
    expect(words(many)).toContain("on 20 tasks");
  });

  it("shows n/a, never 0 or NaN, for what has no value", () => {
    const summary = structuredClone(ocr);
    const first = summary.cells[0] as Cell;
    const na: MetricValue = {
      ...(first.metrics[0] as MetricValue),
      value: undefined,
      reason: "truth is missing",
      interval: undefined,
    };
    first.metrics = [
      na,
      { ...na, id: "cer", value: Number.NaN, reason: "", interval: { lo: Number.NaN, hi: 1, method: "x" } },
    ];
    first.levels = [];
    first.e2eMs = undefined;
    first.counts = undefined;
    const html = renderHtml(summary);
    expectSound(html);
    expect(words(html)).toContain("LSTM n/a truth is missing");
    expect(words(html)).toContain("LSTM n/a no reason recorded");
    expect(words(html)).toContain("n/a: no answered sample was timed – LSTM (End to end, TTFT, TPOT)");
  });

  it("treats null like absent, as JSON readers give it", () => {
    const nulled = JSON.parse(
      JSON.stringify(smoke, (_, v) =>
        typeof v === "object" && v && "unit" in v
          ? { interval: null, target: null, confusion: null, answeredOnly: null, ...v }
          : v,
      ),
    ) as Summary;
    expect(renderHtml(nulled)).toBe(renderHtml(smoke));
  });

  it("says the ties of many models in one sentence and names winners one by one", () => {
    const models = ["A", "B", "C", "D", "E"];
    const [tie] = ocr.comparisons.filter((c) => c.verdict === "tie" && c.level === "");
    if (tie === undefined) throw new Error("the fixture has no tie");
    const cells = models.map((model) => ({ ...(ocr.cells[0] as Cell), model, job: model }));
    const pairs = models.flatMap((a, i) => models.slice(i + 1).map((b) => ({ ...tie, a, b, pHolm: 0.25 })));
    const tied = words(renderHtml({ ...ocr, cells, comparisons: pairs }));
    expect(tied).toContain("TIE No significant difference among 5 models on exact_match.");
    expect(tied).toContain("10 pairs, smallest Holm p 0.25.");
    expect(tied.match(/TIE /g)).toHaveLength(1);
    expect(tied).toContain("All 10 comparisons");
    const won = pairs.map((c) => (c.a === "A" && c.b === "B" ? { ...c, verdict: "a" } : c));
    const some = words(renderHtml({ ...ocr, cells, comparisons: won }));
    expect(some).toContain("BETTER A is better than B on exact_match");
    expect(some).toContain("No significant difference on exact_match in the other 9 of 10 pairs");
  });

  it("lists metrics without any value in a line each, with the whole reason, and no panel", () => {
    const summary = structuredClone(ocr);
    const reason = `the prompt does not produce ${"spatial_relationships or ".repeat(8)}relationships`;
    for (const cell of summary.cells) {
      const na = { ...(cell.metrics[0] as MetricValue), id: "spatial_accuracy", value: undefined, reason };
      cell.metrics = [na, ...cell.metrics];
    }
    const html = renderHtml(summary);
    expectSound(html);
    expect(words(html)).toContain(`spatial_accuracy n/a: ${reason}`);
    expect(html.split(reason)).toHaveLength(2);
    expect(html.match(/<svg role="img"/g)).toHaveLength(renderHtml(ocr).split('<svg role="img"').length - 1);
  });

  it("leads with a metric that has a value, of whatever kind", () => {
    const summary = structuredClone(ocr);
    for (const cell of summary.cells) {
      const [first] = cell.metrics;
      for (const m of cell.metrics) m.value = undefined;
      cell.metrics.push({ ...(first as MetricValue), id: "error_rate", value: 0.25 });
    }
    expect(words(renderHtml(summary))).toContain("Leads on error_rate");
  });

  it("counts one failure of many jobs once", () => {
    const summary = structuredClone(ocr);
    const example = "picture a.png is missing";
    for (const cell of summary.cells)
      cell.failures = [{ status: "engine_error", class: "media_missing", example, count: 2 }];
    const html = renderHtml(summary);
    expect(html.split(example)).toHaveLength(2);
    expect(words(html)).toContain("3 models");
  });

  it("gives the same bytes for the same summary and leaves it as it was", () => {
    const before = JSON.stringify(smoke);
    expect(renderHtml(smoke)).toBe(renderHtml(structuredClone(smoke)));
    expect(JSON.stringify(smoke)).toBe(before);
  });

  it("shows the interval of a difference, and none where there is none", () => {
    const [first, ...others] = ocr.comparisons;
    if (first === undefined) throw new Error("no comparison");
    const interval = { lo: -0.1, hi: 0.05, method: "cluster-bootstrap" };
    const text = words(renderHtml({ ...ocr, comparisons: [{ ...first, interval }, ...others] }));
    expect(text).toContain("−1.7 points −10.0 points to +5.0 points 3 / 4 60");
    expect(words(renderHtml(ocr))).toContain("−1.7 points — 3 / 4 60");
  });

  it("takes names that objects have a meaning for as the texts they are", () => {
    const [cell] = ocr.cells;
    if (cell === undefined) throw new Error("no cell");
    const noEnergy = { constructor: 2, toString: 1 };
    const text = words(renderHtml({ ...ocr, cells: [{ ...cell, gpu: { ...GPU, noEnergy } }] }));
    expect(text).toContain("not known of 2 attempts: constructor; not known of 1 attempt: toString");
  });

  it("stays sound for any numbers and texts", () => {
    fc.assert(
      fc.property(summaries(), (summary) => expectSound(renderHtml(summary))),
      { numRuns: 25 },
    );
  }, 60_000);

  it("gives every figure a description and every drawing a table behind it", () => {
    const html = renderHtml(smoke);
    const figures = html.split("<figure ").slice(1);
    expect(figures.length).toBeGreaterThan(15);
    for (const figure of figures) {
      const id = /^id="([\w-]+)"/.exec(figure)?.[1];
      expect(figure).toContain(`aria-labelledby="${id}-d"`);
      expect(figure).toMatch(new RegExp(`<desc id="${id}-d">[^<]{20,}</desc>`));
      expect(figure).toMatch(/<details><summary>[^<]+<\/summary><div class="scroll"><table>/);
    }
  });
});

/** Balanced tags, unique ids, escaped attributes, no script, no resource from elsewhere, no NaN. */
function expectSound(html: string): void {
  const open: string[] = [];
  const ids = new Set<string>();
  const body = html.replace("<!DOCTYPE html>", "").replace(/<style>[^<]*<\/style>/, "");
  const tags = /<(\/?)([a-zA-Z][a-zA-Z0-9]*)((?:\s+[a-zA-Z][a-zA-Z0-9-]*(?:="[^"<>]*")?)*)\s*(\/?)>|<|>/g;
  for (const { 0: whole, 1: slash, 2: tag, 3: attributes = "", 4: closed, index } of body.matchAll(tags)) {
    if (tag === undefined) throw new Error(`stray ${whole} before ${body.slice(index, index + 80)}`);
    if (slash === "/") expect(`</${tag}>`).toBe(`</${open.pop()}>`);
    else if (closed !== "/" && tag !== "meta") open.push(tag);
    for (const [, key = "", value = ""] of attributes.matchAll(/([a-zA-Z0-9-]+)="([^"]*)"/g)) {
      if (key === "id") {
        if (ids.has(value)) throw new Error(`id ${value} twice`);
        ids.add(value);
      }
      if (key === "href" && !/^(?:#|data:image\/(?:jpeg|png);base64,[\w+/=]*$)/.test(value))
        throw new Error(`link to ${value}`);
      if (/^on|^src/.test(key)) throw new Error(`attribute ${key}`);
      if (/NaN|Infinity|undefined/.test(value)) throw new Error(`${key}="${value}"`);
    }
  }
  expect(open).toEqual([]);
  expect(html).not.toMatch(/<script|<link|<iframe|<object|url\(|@import|javascript:/i);
  expect(html).not.toMatch(/\bNaN\b|\bInfinity\b|>undefined<|>null<|\[object/);
  expect(html).toContain(`content="default-src 'none'; style-src 'unsafe-inline'; img-src data:"`);
  for (const [, target = ""] of html.matchAll(/href="#([^"]+)"/g)) expect(ids).toContain(target);
}

/** The text of a report, spaces made one. */
function words(html: string): string {
  return html
    .replace(/<style>[^<]*<\/style>|<title>[^<]*<\/title>|<desc[^<]*<\/desc>/g, " ")
    .replace(/<\/?(bdi|strong|b|code|small|abbr|text|span)\b[^>]*>/g, "")
    .replace(/<[^>]*>/g, " ")
    .replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)))
    .replace(/[\s\u00A0]+/g, " ");
}

function summaries(): fc.Arbitrary<Summary> {
  const number = fc.oneof(fc.double(), fc.double({ min: 0, max: 1 }), fc.integer({ min: 0, max: 10_000 }));
  const count = fc.nat();
  const text = fc.oneof(
    fc.string({ unit: "binary", maxLength: 30 }).filter((t) => !/NaN|Infinity/.test(t)),
    fc.constantFrom("", "accuracy", "latency", "cost"),
  );
  const interval = fc.option(fc.record({ lo: number, hi: number, method: text }), { nil: undefined });
  const metric: fc.Arbitrary<MetricValue> = fc.record({
    id: text,
    value: fc.option(number, { nil: undefined }),
    reason: text,
    unit: fc.constantFrom("ratio", "ms", "per_s", "usd", ""),
    n: count,
    interval,
    answeredOnly: fc.option(fc.record({ value: fc.option(number, { nil: undefined }), n: count }), {
      nil: undefined,
    }),
    target: fc.option(
      fc.record({
        expression: fc.oneof(text, fc.constant(">= 0.8")),
        met: fc.option(fc.boolean(), { nil: undefined }),
      }),
      { nil: undefined },
    ),
    confusion: fc.option(fc.record({ tp: count, fp: count, fn: count, tn: count }), { nil: undefined }),
    higherIsBetter: fc.boolean(),
  });
  const distribution: fc.Arbitrary<Distribution> = fc.record({
    n: count,
    mean: number,
    min: number,
    p50: number,
    p90: number,
    p95: number,
    p99: number,
    max: number,
    flags: fc.array(text, { maxLength: 2 }),
    percentiles: fc.oneof(fc.constant<number[]>([]), fc.array(number, { minLength: 101, maxLength: 101 })),
  });
  const times = fc.option(distribution, { nil: undefined });
  const figure = fc.option(number, { nil: undefined });
  const gpu: fc.Arbitrary<GpuUse> = fc.record({
    ...{ gpus: count, windows: count, windowsWithEnergy: count, samples: count },
    noEnergy: fc.dictionary(text, count, { maxKeys: 2 }),
    energySource: fc.oneof(text, fc.constant("integrated")),
    ...{ energyJ: figure, energyPerSampleJ: figure, aboveIdlePerSampleJ: figure, tokensPerJ: figure },
    ...{ meanPowerW: figure, peakPowerW: figure, smClockMhz: figure, leastSmClockMhz: figure },
    ...{ temperatureC: figure, memoryBytes: figure, utilizationPercent: figure },
    flags: fc.dictionary(text, count, { maxKeys: 2 }),
  });
  const load: fc.Arbitrary<LoadResult> = fc.record({
    kind: fc.oneof(text, fc.constantFrom("concurrency", "sweep", "trace")),
    ...{ value: number, windows: count, windowS: number, requests: count, answered: count, failed: count },
    ...{ unfinished: count, offeredPerS: figure, requestsPerS: figure, tokensPerS: figure },
    ...{ lagMs: times, responseMs: times, goodputPerS: figure, goodputShare: figure, goodputReason: text },
    keepsUp: fc.option(fc.boolean(), { nil: undefined }),
    ...{ peakInflight: count, loopLagMs: number, flags: fc.array(text, { maxLength: 2 }) },
  });
  const cell: fc.Arbitrary<Cell> = fc.record({
    job: text,
    model: text,
    prompt: fc.constantFrom("p", "q"),
    dataset: text,
    engine: text,
    engineVersion: text,
    modelDigest: text,
    simulated: fc.boolean(),
    counts: fc.option(
      fc.record({
        planned: count,
        ok: count,
        parseError: count,
        refused: count,
        engineError: count,
        timeout: count,
        oom: count,
        poison: count,
        cancelled: count,
        notRun: count,
      }),
      { nil: undefined },
    ),
    metrics: fc.array(metric, { maxLength: 4 }),
    levels: fc.array(fc.record({ level: text, n: count, metrics: fc.array(metric, { maxLength: 2 }) }), {
      maxLength: 3,
    }),
    ttftMs: times,
    tpotMs: times,
    e2eMs: times,
    failures: fc.array(fc.record({ status: text, class: text, example: text, count }), { maxLength: 2 }),
    ranks: fc.array(fc.record({ metric: text, rank: count }), { maxLength: 2 }),
    notApplied: fc.array(text, { maxLength: 2 }),
    flags: fc.dictionary(text, count, { maxKeys: 2 }),
    gpu: fc.option(gpu, { nil: undefined }),
    load: fc.option(load, { nil: undefined }),
    loadMs: times,
    cached: count,
    costAvoidedUsd: fc.option(number, { nil: undefined }),
  });
  return fc.record({
    campaignId: text,
    name: text,
    description: text,
    state: text,
    createdAt: text,
    endedAt: text,
    suiteSha256: text,
    planSha256: text,
    simulated: fc.boolean(),
    cells: fc.array(cell, { maxLength: 10 }),
    comparisons: fc.array(
      fc.record({
        metric: text,
        prompt: fc.constantFrom("p", "q"),
        dataset: text,
        level: text,
        a: text,
        b: text,
        n: count,
        difference: number,
        aOnly: count,
        bOnly: count,
        p: number,
        pHolm: number,
        method: fc.constantFrom("mcnemar-exact", "sign-flip"),
        verdict: fc.constantFrom("a", "b", "tie"),
      }),
      { maxLength: 4 },
    ),
    warnings: fc.array(text, { maxLength: 2 }),
    nodes: fc.array(fc.record({ node: text, samples: count, e2eP50Ms: number }), { maxLength: 3 }),
    recommendations: fc.array(
      fc.record({
        ...{ metric: text, prompt: text, dataset: text, best: text, model: text, text },
        ...{ margin: fc.double(), undecided: fc.array(text, { maxLength: 2 }) },
        costs: fc.array(fc.record({ model: text, usdPer1000: fc.option(fc.double(), { nil: undefined }) }), {
          maxLength: 2,
        }),
      }),
      { maxLength: 2 },
    ),
    saturations: fc.array(
      fc.record({
        ...{ model: text, prompt: text, dataset: text, kind: text, text },
        ...{ value: figure, requestsPerS: figure },
      }),
      { maxLength: 2 },
    ),
  });
}
