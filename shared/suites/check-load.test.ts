import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { prepareSuite } from "./prepare.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sai-check-load-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** What is found in a load of `kind` on a dataset file, or on made texts without one. */
async function findings(load: object, file?: { name: string; text: string }, more: object = {}) {
  if (file) await writeFile(join(folder, file.name), file.text);
  const suite = {
    ...{ schema: "sai/v1", name: "load", prompts: [{ id: "ask", template: "{{ input }}" }] },
    models: [{ id: "m", engine: "openai", model: "m:1", options: { base_url: "http://127.0.0.1:9/v1" } }],
    datasets: [file ? { id: "d", path: file.name } : { id: "d", type: "synthetic", n: 2, input_tokens: 5 }],
    ...{ run: { mode: "load" }, load },
    ...more,
  };
  const files = { kind: "local" as const, suiteFile: join(folder, "suite.json") };
  const prepared = await prepareSuite({ text: Buffer.from(JSON.stringify(suite)), files, modelMap: {} });
  return prepared.findings.map(({ severity, field, message }) => `${severity}: ${field}: ${message}`);
}

const trace = { kind: "trace", duration_s: 10 };
const lines = (...atS: unknown[]) => ({
  name: "t.jsonl",
  text: atS.map((at_s) => `${JSON.stringify({ at_s, input_tokens: 5 })}\n\n`).join(""),
});

test("a trace in order is nothing to remark; equal times are in order", async () => {
  expect(await findings(trace, lines(0, 0.5, 0.5, 9))).toEqual([]);
});

test.each([
  [lines(0, 2, 1), "t.jsonl line 5: at_s is 1, before the 2 of the item in front of it"],
  [lines(-1), "t.jsonl line 1: at_s is -1, before the beginning"],
  [lines(0, "soon"), 't.jsonl line 3: at_s is "soon", no number of seconds'],
  [lines(0, undefined), "t.jsonl line 3: at_s is missing"],
  [{ name: "t.csv", text: "at_s,input_tokens\n0,5\n,5\n" }, 't.csv line 3: at_s is "", no number of seconds'],
])("a trace that is none names the line: %j", async (file, message) => {
  expect(await findings(trace, file)).toEqual([`error: datasets[0]: ${message}`]);
});

test("what a trace has after the window is told; nothing within it is an error", async () => {
  const [late] = await findings(trace, lines(0, 11));
  expect(late).toMatch(/^warning: load.duration_s: 1 of 2 requests of d are due after it/);
  const [none] = await findings(trace, lines(11));
  expect(none).toMatch(/^error: load.duration_s: no request of d is due within it/);
});

test("engines without such a server, and limits that are of no use, are told", async () => {
  const load = { kind: "concurrency", values: [1] };
  const simulated = { models: [{ id: "m", engine: "simulated", model: "x" }] };
  expect((await findings(load, undefined, simulated)).join()).toMatch(/error: .*cannot be put under load/);
  const limited = { engine_config: { request_delay: 1 } };
  expect(await findings(load, undefined, limited)).toEqual([
    "warning: engine_config: max_concurrent_requests and request_delay are not applied to a load",
  ]);
});
