import { expect, test } from "vitest";
import type { Comparing } from "../../shared/benchmark/compare/comparison.js";
import { renderComparisonHtml } from "./compare-html.js";
import { renderComparisonJunit } from "./junit.js";
import { renderComparisonMarkdown } from "./markdown.js";

const EVIL = "<script>alert(1)</script>\u202E|`*\u001b@all";
const RAW = ["<script", "\u202E", "\u001b"];
const name = { job: "j0000", model: EVIL, prompt: "p", dataset: "d" };
const side = (output: string, mark: number) => ({ ordinal: 0, status: "ok", mark, output });
const comparing: Comparing = {
  base: {
    campaignId: "c-1",
    baseline: "release",
    name: EVIL,
    state: "succeeded",
    createdAt: "",
    endedAt: "",
  },
  candidate: { campaignId: "c-2", baseline: "", name: EVIL, state: "succeeded", createdAt: "", endedAt: "" },
  verdict: "fail",
  reasons: [EVIL],
  cells: [
    {
      base: name,
      candidate: { ...name, model: "new" },
      ...{ simulated: true, pairs: 9, baseAlone: 1, candidateAlone: 0, otherTruth: 1 },
      metrics: [
        {
          ...{
            id: "exact_match",
            unit: "ratio",
            higherIsBetter: true,
            base: 0.9,
            candidate: 0.5,
            difference: -0.4,
          },
          ...{
            interval: { lo: -0.6, hi: -0.2, method: "cluster-bootstrap" },
            n: 9,
            baseBetter: 4,
            candidateBetter: 0,
          },
          ...{
            p: 0.125,
            method: "mcnemar-exact",
            judged: true,
            maxDrop: 0.02,
            verdict: "fail",
            reason: EVIL,
          },
        },
        {
          ...{ id: "latency", unit: "ms", higherIsBetter: false, interval: undefined, n: 0, baseBetter: 0 },
          ...{
            candidateBetter: 0,
            method: "",
            judged: false,
            maxDrop: 0,
            verdict: "",
            reason: "nothing was run",
          },
        },
      ],
      changes: [{ what: "model", base: EVIL, candidate: "new" }],
      ...{ flipMetric: "exact_match", lost: 4, won: 0 },
      flips: [
        {
          ...{ kind: "lost", item: EVIL, level: EVIL, repetition: 1, input: EVIL, expected: EVIL },
          ...{ base: side(EVIL, 1), candidate: side(EVIL, 0) },
        },
      ],
    },
  ],
  unmatched: [
    {
      side: "base",
      job: "j0001",
      model: EVIL,
      prompt: "p",
      dataset: "d",
      reason: "the other has no such model",
    },
  ],
  ...{ maxDrop: 0.02, alpha: 0.05, simulated: true },
};

test("text from outside is shown, and is no markup in any form", () => {
  const html = renderComparisonHtml(comparing);
  for (const raw of RAW) expect(html).not.toContain(raw);
  expect(html).toContain("&#60;script&#62;");
  const markdown = renderComparisonMarkdown(comparing);
  for (const raw of [...RAW, "@all"]) expect(markdown).not.toContain(raw);
  expect(markdown.split("\n").filter((line) => line.startsWith("| new"))).toHaveLength(2);
  const junit = renderComparisonJunit(comparing);
  for (const raw of ["<script", "\u001b"]) expect(junit).not.toContain(raw);
  expect(junit).toContain('tests="2" failures="2" errors="0" skipped="0"');
});

test("the same comparison gives the same bytes, and numbers that are not there are n/a", () => {
  expect(renderComparisonHtml(comparing)).toBe(renderComparisonHtml(comparing));
  expect(renderComparisonHtml(comparing)).toContain("nothing was run");
  expect(renderComparisonHtml(comparing)).not.toMatch(/NaN|undefined|Infinity/);
});
