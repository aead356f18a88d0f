import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { expandPlan, planBytes } from "./expand.js";
import type { Json } from "./json.js";
import { resolveModels } from "./models.js";
import { resolvePrompts } from "./prompts/resolve-prompts.js";
import { readSuite } from "./suite/read-suite.js";

const sha256 = (data: string | Uint8Array) => createHash("sha256").update(data).digest("hex");

function plan(more: { [key: string]: Json } = {}, items: Record<string, number> = { d1: 3, d2: 5 }) {
  const { suite, findings } = readSuite({
    name: "n",
    description: "d",
    prompts: ["early_fire_json", "wildfire_confidence"],
    models: [
      { id: "m1", engine: "simulated" },
      { id: "m2", engine: "simulated" },
    ],
    datasets: [
      { id: "d1", path: "a" },
      { id: "d2", path: "b" },
    ],
    metrics: ["accuracy"],
    run: { repetitions: 2 },
    ...more,
  });
  if (!suite) throw new Error(JSON.stringify(findings));
  const { prompts } = resolvePrompts(suite, new Map(), sha256);
  const { models } = resolveModels(suite, {}, []);
  const datasets = new Map(
    Object.entries(items).map(([id, count]) => [
      id,
      { id, manifestSha256: id.padEnd(64, "0"), items: count },
    ]),
  );
  return expandPlan({ campaign: "c", suite, suiteSha256: "s", prompts, models, datasets, sha256 });
}

test("prompts are outermost, datasets innermost, and samples count repetitions", () => {
  const { jobs } = plan();
  expect(
    jobs.map((job) => `${job.id} ${job.prompt.id} ${job.model.id} ${job.dataset.id} ${job.samples}`),
  ).toEqual([
    "j0000 early_fire_json m1 d1 6",
    "j0001 early_fire_json m1 d2 10",
    "j0002 early_fire_json m2 d1 6",
    "j0003 early_fire_json m2 d2 10",
    "j0004 wildfire_confidence m1 d1 6",
    "j0005 wildfire_confidence m1 d2 10",
    "j0006 wildfire_confidence m2 d1 6",
    "j0007 wildfire_confidence m2 d2 10",
  ]);
});

test("datasets without items make no job", () => {
  expect(plan({}, { d2: 5 }).jobs.map((job) => job.dataset.id)).toEqual(["d2", "d2", "d2", "d2"]);
  expect(plan({}, { d1: 0, d2: 5 }).jobs).toHaveLength(4);
});

test("equal suites give equal plans, byte for byte", () => {
  expect(sha256(planBytes(plan()))).toBe(sha256(planBytes(plan())));
  expect(JSON.parse(new TextDecoder().decode(planBytes(plan())))).toEqual(plan());
});

test("a dataset's answer makes another version of prompts that have none", () => {
  const datasets = [
    { id: "d1", path: "a", answer: { extract: ["(.*)"] } },
    { id: "d2", path: "b" },
  ];
  const [first, second] = plan({ datasets }).jobs;
  expect(first?.prompt.answer).toEqual({ extract: ["(.*)"], normalize: ["trim"], type: "text" });
  expect(second?.prompt.answer).toBeUndefined();
  expect(first?.prompt.sha256).not.toBe(second?.prompt.sha256);
});
