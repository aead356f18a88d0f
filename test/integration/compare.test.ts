/** Two campaigns compared by the real command: the verdict that is printed and the exit code are one, whatever they are. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CompareRequest, type Comparing } from "../../shared/gen/sai/v1/compare.js";
import type { SaiError } from "../../shared/runtime/errors.js";
import { ask } from "../support/api.js";
import { cliOf } from "../support/cli.js";
import { startFleet, type TestFleet } from "../support/fleet.js";

let fleet: TestFleet;
let sai: ReturnType<typeof cliOf>;
beforeAll(async () => {
  fleet = await startFleet({ agents: ["n1"] });
  sai = cliOf(fleet);
});
afterAll(() => fleet?.stop());

interface Wish {
  items?: number;
  accuracy?: number;
  model?: string;
  targets?: (i: number) => string;
  metrics?: unknown[];
  baseline?: { campaign: string; rule?: object };
}
const suiteOf = ({ items = 300, accuracy = 1, model = "m", targets, metrics, baseline }: Wish): string =>
  JSON.stringify({
    ...{ schema: "sai/v1", name: "to be compared" },
    prompts: [{ id: "ask", template: "{{ input }}", output: "text" }],
    models: [{ id: model, engine: "simulated", options: { accuracy, seed: 7 } }],
    datasets: [
      {
        id: "d",
        items: Array.from({ length: items }, (_, i) => ({
          ...{ id: `q${i}`, input: `question ${i}`, target: targets?.(i) ?? `a${i}` },
        })),
      },
    ],
    metrics: metrics ?? ["exact_match"],
    engine_config: { seed: 1, temperature: 0 },
    run: { shard_size: 100 },
    ...(baseline && { baseline }),
  });
const campaigns = new Map<string, Promise<string>>();
/** The campaign of a suite; one for each that is asked for. */
const run = (wish: Wish = {}): Promise<string> => {
  const suite = suiteOf(wish);
  const known = campaigns.get(suite);
  if (known !== undefined) return known;
  const started = fleet.api.create({ suite }).then(async ({ id }) => {
    await fleet.api.ended(id);
    return id;
  });
  campaigns.set(suite, started);
  return started;
};
const compare = async (...args: string[]): Promise<{ code: number; comparing: Comparing; err: string }> => {
  const { code, out, err } = await sai("result", "compare", ...args, "-o", "json");
  return { code, comparing: (out === "" ? {} : JSON.parse(out)) as Comparing, err };
};

test("the same again passes, and what is printed is what the exit code says", async () => {
  const [base, again] = [await run(), await run({ metrics: ["exact_match", "contains"] })];
  const { code, comparing } = await compare(base, again);
  expect([code, comparing.verdict]).toEqual([0, "pass"]);
  const [metric] = comparing.cells[0]?.metrics ?? [];
  expect(metric).toMatchObject({ id: "exact_match", difference: 0, n: 300, judged: true, verdict: "pass" });
  expect(comparing.cells[0]?.metrics.map(({ id }) => id)).toEqual(["exact_match", "latency"]);
  const { out } = await sai("result", "compare", base, again);
  expect(out).toContain("verdict: PASS");
});

test("a worse one fails with 5, and shows what it lost beside what the other said", async () => {
  const { code, comparing } = await compare(await run(), await run({ accuracy: 0.6 }));
  expect([code, comparing.verdict]).toEqual([5, "fail"]);
  const [cell] = comparing.cells;
  expect(cell).toMatchObject({ pairs: 300, flipMetric: "exact_match" });
  expect(cell?.won ?? 0).toBe(0);
  expect(cell?.lost).toBeGreaterThan(60);
  expect(cell?.flips).toHaveLength(5);
  const [flip] = cell?.flips ?? [];
  expect(flip?.kind).toBe("lost");
  expect(flip?.base?.output).toBe(flip?.expected);
  expect(flip?.candidate?.output).not.toBe(flip?.expected);
  expect(cell?.metrics[0]?.method).toBe("mcnemar-exact");
  // The other way round it is better, and nobody minds.
  expect((await compare(await run({ accuracy: 0.6 }), await run())).code).toBe(0);
});

test("a total loss is a fail although nothing varies, and ten samples are too few to tell anything", async () => {
  expect((await compare(await run(), await run({ accuracy: 0 }))).code).toBe(5);
  const [few, again] = [await run({ items: 10 }), await run({ items: 10, metrics: ["exact_match", "cer"] })];
  const { code, comparing } = await compare(few, again);
  expect([code, comparing.verdict]).toEqual([6, "inconclusive"]);
  expect(comparing.reasons.join()).toContain("exact_match");
});

test("another truth is not comparable, fewer samples are incomplete, unless a part is enough", async () => {
  const other = await compare(await run(), await run({ targets: (i) => (i === 3 ? "a3!" : `a${i}`) }));
  expect([other.code, other.comparing.verdict]).toEqual([6, "not_comparable"]);
  expect(other.comparing.cells[0]).toMatchObject({ pairs: 299, otherTruth: 1 });
  const part = [await run(), await run({ items: 250 })] as const;
  const less = await compare(...part);
  expect([less.code, less.comparing.verdict]).toEqual([6, "incomplete"]);
  expect((await compare(...part, "--partial")).code).toBe(0);
  const none = await compare(await run(), await run({ targets: () => "x" }));
  expect([none.code, none.comparing.verdict]).toEqual([6, "not_comparable"]);
});

test("lone models are compared whatever their names; several need a map, and unknown names are named", async () => {
  const [base, renamed] = [await run(), await run({ model: "n" })];
  expect((await compare(base, renamed)).code).toBe(0);
  expect((await compare(base, renamed, "--map", "m=n")).code).toBe(0);
  const wrong = await compare(base, renamed, "--map", "m=o");
  expect(wrong.code).toBe(2);
  expect(wrong.err).toContain('map: the candidate has no model "o"; did you mean "n"?');
});

test("what decides can be named with its own limit; a metric that nobody has is a usage error", async () => {
  const [base, worse] = [await run(), await run({ accuracy: 0.6 })];
  expect((await compare(base, worse, "--fail-on", "exact_match=60%")).code).toBe(0);
  expect((await compare(base, worse, "--fail-on", "latency=100000")).code).toBe(0);
  const bare = await compare(base, worse, "--fail-on", "latency");
  expect(bare.code).toBe(6);
  expect(bare.comparing.reasons.join()).toContain("nobody said how much it may lose");
  const wrong = await compare(base, worse, "--metric", "exact_mach");
  expect(wrong.code).toBe(2);
  expect(wrong.err).toContain('did you mean "exact_match"?');
  expect((await compare(base, worse, "--max-drop", "lots")).code).toBe(2);
  expect((await compare(base, "c-none")).err).toContain("no campaign or baseline c-none");
});

test("baselines are names that the coordinator keeps", async () => {
  const [base, worse] = [await run(), await run({ accuracy: 0.6 })];
  expect((await sai("baseline", "set", "release", base)).out).toBe(`release is ${base}\n`);
  const { code, comparing } = await compare("release", worse);
  expect([code, comparing.base?.baseline, comparing.base?.campaignId]).toEqual([5, "release", base]);
  expect((await sai("baseline", "set", "release", worse)).err).toContain(`it was ${base} before`);
  expect((await sai("baseline", "list")).out).toContain(worse);
  expect((await sai("baseline", "get", "release", "-o", "json")).out).toContain(worse);
  expect((await sai("baseline", "remove", "release")).code).toBe(0);
  expect((await sai("baseline", "get", "release")).err).toContain("no baseline release");
  expect((await sai("baseline", "set", "../x", base)).err).toContain("1 to 64 letters");
  expect((await sai("baseline", "set", worse, base)).err).toContain("is the id of a campaign");
  expect((await sai("baseline", "set", "x", "c-none")).err).toContain("no campaign c-none");
});

test("the API refuses what is out of bounds", async () => {
  const request = { base: await run(), candidate: await run() };
  const call = (more: Partial<CompareRequest>) =>
    ask(
      fleet.api.results.compare.bind(fleet.api.results),
      CompareRequest.fromPartial({ ...request, ...more }),
    ).catch(({ violations }: SaiError) => Promise.reject(new Error(JSON.stringify(violations))));
  await expect(call({ alpha: 0 })).rejects.toThrow(/alpha/);
  await expect(call({ maxDrop: -1 })).rejects.toThrow(/max_drop/);
  await expect(call({ flips: 101 })).rejects.toThrow(/flips/);
  await expect(call({ map: [{ kind: "node", base: "a", candidate: "b" }] })).rejects.toThrow(/map/);
});

test("the same comparison as a page, as Markdown and as JUnit, and a campaign's targets as the last two", async () => {
  const [base, worse] = [
    await run(),
    await run({ accuracy: 0.6, metrics: [{ id: "exact_match", target: ">= 0.9" }] }),
  ];
  const files = ["--report", "c.html", "--markdown", "c.md", "--junit", "c.xml"];
  expect((await sai("result", "compare", base, worse, ...files)).code).toBe(5);
  const [page, markdown, junit] = await Promise.all(
    ["c.html", "c.md", "c.xml"].map((name) => readFile(join(fleet.folder, name), "utf8")),
  );
  expect(page).not.toContain("<script");
  expect(page).toContain("Flipped by exact_match");
  expect(markdown).toMatch(/^### ❌ FAIL/);
  expect(junit).toMatch(/<testcase name="exact_match"[^>]*><failure /);
  const direct = await sai("result", "compare", base, worse, "--format", "markdown");
  expect([direct.code, direct.out]).toEqual([5, markdown]);
  expect((await sai("result", "compare", base, worse, "--format", "pdf")).code).toBe(2);
  const targets = await sai("result", "report", worse, "--format", "junit");
  expect(targets.out).toContain('<testcase name="exact_match &#62;= 0.9"');
  expect(targets.out).toMatch(/failures="1" errors="0"/);
  expect((await sai("result", "export", worse, "--as", "markdown")).out).toContain("❌ &#62;= 0.9");
});

test("apply --gate judges by the baseline that the suite names, and by targets", async () => {
  expect((await sai("baseline", "set", "gated", await run())).code).toBe(0);
  const apply = async (wish: Wish) => {
    await writeFile(join(fleet.folder, "gated.json"), suiteOf(wish));
    return sai("apply", "-f", "gated.json", "--wait", "--gate");
  };
  const baseline = { campaign: "gated" };
  expect((await apply({ baseline })).code).toBe(0);
  const worse = await apply({ baseline, accuracy: 0.6 });
  expect(worse.code).toBe(5);
  expect(worse.err).toContain("verdict: FAIL");
  expect((await apply({ baseline: { ...baseline, rule: { max_drop: 0.6 } }, accuracy: 0.6 })).code).toBe(0);
  expect((await apply({ baseline, items: 10 })).code).toBe(6);
  const targets = [{ id: "exact_match", target: ">= 0.9" }];
  expect((await apply({ baseline, metrics: targets })).code).toBe(0);
  const rule = { metric: "exact_match", max_drop: 0.6, alpha: 0.1 };
  const missed = { baseline: { ...baseline, rule }, accuracy: 0.6, metrics: targets };
  expect((await apply(missed)).code).toBe(5);
  const id = await run(missed);
  const html = (await sai("result", "export", id, "--as", "html")).out;
  expect(html).toContain('<section id="baseline">');
  expect(html).toContain("90 % interval");
  const gone = await apply({ baseline: { campaign: "nobody" } });
  expect([gone.code, gone.err]).toEqual([1, expect.stringContaining("no campaign or baseline nobody")]);
});
