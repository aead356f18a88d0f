/** Answers of a campaign by other rules: new numbers without asking again, and never for other questions. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ResultRecord } from "../../shared/benchmark/record.js";
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

interface Suite {
  prompts: { [key: string]: unknown }[];
  datasets: { id: string; items: { [key: string]: unknown }[] }[];
  [key: string]: unknown;
}
/** Ten questions whose answers are `a1` … `a10`, two of them not as they should be. */
const suiteOf = (): Suite => ({
  schema: "sai/v1",
  name: "to be rescored",
  prompts: [{ id: "ask", template: "{{ input }}", output: "text" }],
  models: ["m", "n"].map((id) => ({ id, engine: "simulated" })),
  datasets: [
    {
      id: "d",
      items: Array.from({ length: 10 }, (_, i) => ({
        ...{ id: `q${i + 1}`, input: `question ${i + 1}`, target: `a${i + 1}` },
      })),
    },
  ],
  metrics: ["exact_match"],
  engine_config: { seed: 1, temperature: 0 },
  run: { shard_size: 3 },
});
const changed = (change: (suite: Suite) => void): string => {
  const suite = suiteOf();
  change(suite);
  return JSON.stringify(suite);
};
const run = async (suite = suiteOf()): Promise<string> => {
  const { id } = await fleet.api.create({ suite: JSON.stringify(suite) });
  await fleet.api.ended(id);
  return id;
};
const rescore = async (campaignId: string, suite?: string) => {
  const spec = suite === undefined ? undefined : { suite, inputs: [], modelMap: {}, priority: 0, tenant: "" };
  const { summary } = await ask(fleet.api.results.rescore.bind(fleet.api.results), { campaignId, spec });
  if (!summary) throw new Error("no summary");
  return summary;
};
const metricOf = ({ cells }: Awaited<ReturnType<typeof rescore>>, metric = "exact_match") =>
  cells.map(({ metrics }) => metrics.find(({ id }) => id === metric)?.value);
const refusal = (call: Promise<unknown>): Promise<SaiError> =>
  call.then(
    () => Promise.reject(new Error("it was accepted")),
    (error: SaiError) => error,
  );

test("by its own rules a campaign has the numbers it had, and what is stored stays as it is", async () => {
  const id = await run();
  const before = await fleet.api.summary(id);
  const now = await rescore(id);
  const { warnings, ...numbers } = now;
  const { warnings: own, ...same } = before;
  expect(numbers).toEqual(same);
  const said = "rescored without asking again: 20 samples, 0 of them otherwise than before";
  expect(warnings.toSorted()).toEqual([...own, said].toSorted());
  expect(await fleet.api.summary(id)).toEqual(before);
});

test("another truth, another parsing and other metrics change the numbers, and nothing is asked", async () => {
  const id = await run();
  const records = (await fleet.api.records(id)) as ResultRecord[];
  const rules = changed((suite) => {
    const [dataset] = suite.datasets;
    for (const item of dataset?.items.slice(0, 4) ?? []) item["target"] = "something else";
    suite["metrics"] = ["exact_match", "contains"];
  });
  const summary = await rescore(id, rules);
  expect(metricOf(summary)).toEqual([0.6, 0.6]);
  expect(metricOf(summary, "contains")).toEqual([0.6, 0.6]);
  expect(summary.warnings.join("\n")).toContain("20 samples, 8 of them otherwise than before");
  // The number in the answer is what counts now, and a model may be left out.
  const parsing = changed((suite) => {
    suite.prompts = [{ ...suite.prompts[0], answer: { extract: ["a([0-9]+)"], type: "number" } }];
    suite["models"] = [{ id: "n", engine: "simulated" }];
    for (const item of suite.datasets[0]?.items ?? []) item["target"] = String(item["target"]).slice(1);
  });
  const only = await rescore(id, parsing);
  expect(only.cells.map(({ model }) => model)).toEqual(["n"]);
  expect(metricOf(only)).toEqual([1]);
  expect(await fleet.api.records(id)).toEqual(records);
});

test.each([
  [
    "the prompt",
    (s: Suite) => void Object.assign(s.prompts[0] ?? {}, { template: "Say: {{ input }}" }),
    /prompt\.template/,
  ],
  [
    "the settings",
    (s: Suite) => void Object.assign(s, { engine_config: { seed: 2, temperature: 0 } }),
    /generation\.seed/,
  ],
  [
    "a model",
    (s: Suite) => void Object.assign(s, { models: [{ id: "other", engine: "simulated" }] }),
    /other × ask × d was not asked/,
  ],
  [
    "an item",
    (s: Suite) => void Object.assign(s.datasets[0]?.items[2] ?? {}, { input: "?" }),
    /item q3 of d is not what was/,
  ],
  ["the number of items", (s: Suite) => void s.datasets[0]?.items.pop(), /dataset\.items/],
])("%s cannot be changed without asking again", async (_, change, says) => {
  const id = await run();
  const error = await refusal(rescore(id, changed(change)));
  expect([error.code, error.message]).toEqual([
    "invalid_argument",
    `these rules do not fit the answers of ${id}`,
  ]);
  expect(error.violations.map(({ description }) => description).join("\n")).toMatch(says);
});

test("samples whose answers were not kept keep their scores, and are counted", async () => {
  const id = await run({ ...suiteOf(), test_config: { include_raw_responses: false } });
  const rules = changed((suite) => {
    suite["test_config"] = { include_raw_responses: false };
    for (const item of suite.datasets[0]?.items ?? []) item["target"] = "something else";
  });
  const summary = await rescore(id, rules);
  expect(metricOf(summary)).toEqual([1, 1]);
  expect(summary.cells.map(({ flags }) => flags["not_rescored"])).toEqual([10, 10]);
  expect(summary.warnings.join("\n")).toContain("20 samples kept the old scores");
});

test("the command reads the suite that was changed, and prints the table", async () => {
  const id = await run();
  const path = join(fleet.folder, "rules.json");
  await writeFile(
    path,
    changed((suite) => void Object.assign(suite.datasets[0]?.items[0] ?? {}, { target: "b" })),
  );
  const { out } = await sai("result", "rescore", id, "-f", path);
  expect(out).toMatch(/exact_match +m \[SIMULATED\] +0\.900/);
  expect(out).toContain("20 samples, 2 of them otherwise than before");
  expect((await sai("result", "rescore", id)).out).toMatch(/exact_match +m \[SIMULATED\] +1\.000/);
});
