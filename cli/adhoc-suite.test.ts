import { expect, test } from "vitest";
import type { Item } from "../shared/benchmark/item.js";
import { adhocSuite, isPromptId, metricsFor, withInput } from "./adhoc-suite.js";

const item = (more: Partial<Item>): Item => ({ id: "1", media: [], ...more });

test("metrics follow what the data can answer", () => {
  expect(metricsFor([item({ target: "4" })])).toEqual([
    ...["exact_match", "contains", "cer"],
    ...["latency", "throughput", "parse_success_rate", "error_rate"],
  ]);
  expect(metricsFor([item({ truth: { has_smoke: true, bbox: [0.5, 0.5, 0.1, 0.1] } })])).toContain(
    "bbox_iou",
  );
  expect(metricsFor([item({ truth: { has_smoke: true } })])).not.toContain("exact_match");
  expect(metricsFor([item({})])).toEqual(["latency", "throughput", "parse_success_rate", "error_rate"]);
});

test("a misspelt prompt id is an id, a sentence is a template", () => {
  expect(isPromptId("wildfire_confidence")).toBe(true);
  expect(isPromptId("wildfire_confidenc")).toBe(true);
  expect(isPromptId("Translate to French:")).toBe(false);
  expect(isPromptId("summarise")).toBe(false);
});

test("a template that never mentions the item gets its input below; another stays as it is", () => {
  expect(withInput("Translate:")).toBe("Translate:{% if input %}\n\n{{ input }}{% endif %}");
  expect(withInput("Q: {{ input }}")).toBe("Q: {{ input }}");
});

test("two templates get two ids; asked metrics win over chosen ones", () => {
  const flags = {
    models: ["m"],
    prompts: ["One {{ input }}", "Two {{ input }}"],
    datasets: ["/d.jsonl"],
    metrics: ["cer"],
  };
  expect(adhocSuite(flags, ["latency"])).toMatchObject({
    prompts: [{ id: "prompt-1" }, { id: "prompt-2" }],
    metrics: ["cer"],
  });
});

test("datasets are called after their files, two of one name apart", () => {
  const flags = {
    models: ["m"],
    prompts: ["p"],
    datasets: ["/a/my data.jsonl", "/b/my data.jsonl", "/c/"],
    metrics: [],
  };
  expect(adhocSuite(flags, [])).toMatchObject({
    datasets: [{ id: "my_data.jsonl" }, { id: "my_data.jsonl@2" }, { id: "c" }],
  });
});
