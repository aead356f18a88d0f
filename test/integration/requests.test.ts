/** Requests that must be refused, each with the field named, and keys that must not double a campaign. */
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type CampaignSpec, CampaignState } from "../../shared/gen/sai/v1/campaign.js";
import type { SaiError } from "../../shared/runtime/errors.js";
import { sha256 } from "../../shared/runtime/hash.js";
import { ask, listen } from "../support/api.js";
import { startFleet, type TestFleet } from "../support/fleet.js";
import { suiteOf } from "../support/suites.js";
import { until } from "../support/until.js";

let fleet: TestFleet;
beforeAll(async () => {
  fleet = await startFleet({
    agents: ["n1"],
    config: (config) => {
      config.coordinator.idempotencyTtlMs = 60_000;
    },
  });
});
afterAll(() => fleet?.stop());
// Whatever was refused, the next good request works, and nothing was logged as unexpected.
afterEach(async () => {
  const { id } = await fleet.api.create({ suite: suiteOf({ items: 1 }) });
  expect((await fleet.api.ended(id)).state).toBe(CampaignState.SUCCEEDED);
  expect(fleet.logs.filter(({ level }) => level === "error")).toEqual([]);
});

/** The error a call ends with. */
const errorOf = (call: Promise<unknown>): Promise<SaiError> =>
  call.then(
    () => Promise.reject(new Error("it was accepted")),
    (error: SaiError) => error,
  );

/** It is refused as invalid, naming exactly this field. */
async function refuses(call: Promise<unknown>, field: string, says = ""): Promise<void> {
  const error = await errorOf(call);
  expect([error.code, error.message]).toEqual(["invalid_argument", expect.any(String)]);
  expect(error.violations.map((violation) => violation.field)).toEqual([field]);
  expect(error.violations[0]?.description).toContain(says);
}

const input = (more: object) => ({ kind: 1, id: "d", sha256: "0".repeat(64), warnings: [], ...more });
const bad: { what: string; spec: Partial<CampaignSpec>; field: string; says?: string }[] = [
  { what: "an empty suite", spec: { suite: " " }, field: "spec.suite", says: "is required" },
  { what: "a priority over 1000", spec: { suite: suiteOf(), priority: 1001 }, field: "spec.priority" },
  { what: "a priority below -1000", spec: { suite: suiteOf(), priority: -1001 }, field: "spec.priority" },
  {
    what: "an input of no kind",
    spec: { suite: suiteOf(), inputs: [input({ kind: 0 })] },
    field: "spec.inputs[0].kind",
  },
  {
    what: "an input of an unknown kind",
    spec: { suite: suiteOf(), inputs: [input({ kind: 77 })] },
    field: "spec.inputs[0].kind",
  },
  {
    what: "a hash that is none",
    spec: { suite: suiteOf(), inputs: [input({ sha256: "../../etc/passwd" })] },
    field: "spec.inputs[0].sha256",
  },
  {
    what: "an input that was not uploaded",
    spec: { suite: suiteOf(), inputs: [input({})] },
    field: "spec.inputs[0].sha256",
    says: "upload it before",
  },
  {
    what: "an input without id",
    spec: { suite: suiteOf(), inputs: [input({ id: "" })] },
    field: "spec.inputs[0].id",
  },
  {
    what: "a model map with a strange key",
    spec: { suite: suiteOf(), modelMap: { "a b": "simulated:x" } },
    field: "spec.model_map",
  },
  { what: "a suite that is no YAML", spec: { suite: "{[" }, field: "spec.suite" },
];

test.each(bad)("$what is refused", async ({ spec, field, says }) => {
  await refuses(fleet.api.create(spec), field, says);
});

test("a request without a spec, and a key that is too long, are refused", async () => {
  const { campaigns } = fleet.api;
  const create = campaigns.createCampaign.bind(campaigns);
  await refuses(ask(create, { spec: undefined, idempotencyKey: "" }), "spec");
  await refuses(fleet.api.create({ suite: suiteOf() }, "k".repeat(257)), "idempotency_key");
});

test("all errors of a suite come at once, each with its line", async () => {
  const suite = [
    "schema: sai/v1",
    "name: broken",
    "prompts: [{id: p, template: hi}]",
    "models: [{id: m, engine: warp}]",
    "datasets: [{id: d, items: [{input: x}]}]",
    "metrics: [no_such_metric]",
    "run: {repetitions: -1}",
  ].join("\n");
  const error = await errorOf(fleet.api.create({ suite }));
  expect(error.code).toBe("invalid_argument");
  expect(error.message).toMatch(/^the suite has \d+ errors$/);
  const said = error.violations.map(({ field, description }) => `${field} ${description}`).join("\n");
  expect(said).toMatch(/spec\.suite:models\[0\]\.engine line 4/);
  expect(said).toMatch(/spec\.suite:metrics\S* line 6/);
  expect(said).toMatch(/spec\.suite:run\.repetitions line 7/);
  const checked = await fleet.api.validate({ suite });
  expect(checked.ok).toBe(false);
  expect(checked.findings.filter(({ severity }) => severity === "error")).toHaveLength(
    error.violations.length,
  );
});

test("a manifest that is none, twice the same input and a prompt that is no text are refused by name", async () => {
  const put = async (bytes: Buffer) => {
    const head = { sha256: sha256(bytes), sizeBytes: bytes.byteLength };
    await fleet.api.upload([
      { $case: "head", value: head },
      { $case: "chunk", value: bytes },
    ]);
    return head.sha256;
  };
  const suite = suiteOf();
  const manifest = await put(Buffer.from('{"id":"a","media":[]}\n'));
  const broken = await put(Buffer.from('{"id": 7}\n'));
  const binary = await put(Buffer.from([0xff, 0xfe, 0x00]));
  const create = (...inputs: object[]) => fleet.api.create({ suite, inputs: inputs.map(input) });
  await refuses(create({ sha256: broken }), "spec.inputs[0]", "line 1");
  await refuses(create({ sha256: manifest }, { sha256: manifest }), "spec.inputs[1].id", "twice");
  await refuses(create({ kind: 2, id: "p.txt", sha256: binary }), "spec.inputs[0]", "UTF-8");
});

test("paths of datasets stay below the coordinator's folder", async () => {
  await mkdir(join(fleet.folder, "datasets"), { recursive: true });
  await writeFile(join(fleet.folder, "secret.jsonl"), '{"id":"s","input":"secret"}\n');
  for (const path of [
    "../secret.jsonl",
    join(fleet.folder, "secret.jsonl"),
    "/etc/passwd",
    "a/../../secret.jsonl",
  ]) {
    const suite = JSON.stringify({ ...JSON.parse(suiteOf()), datasets: [{ id: "d", path }] });
    const error = await errorOf(fleet.api.create({ suite }));
    expect([path, error.code]).toEqual([path, "invalid_argument"]);
    expect(JSON.stringify(error.violations)).toContain("spec.suite:datasets");
    const { ok, messages } = await fleet.api.validate({ suite }, 1);
    expect([ok, messages]).toEqual([false, []]);
  }
});

test("lists and filters say which field is wrong", async () => {
  const { api } = fleet;
  const { id } = await api.create({ suite: suiteOf({ items: 1 }) });
  const list = (pageSize: number, pageToken: string) =>
    ask(api.campaigns.listCampaigns.bind(api.campaigns), { pageSize, pageToken });
  await refuses(list(1001, ""), "page_size", "1001");
  await refuses(list(4_294_967_295, ""), "page_size");
  await refuses(list(10, "nonsense"), "page_token");
  await refuses(api.page(id, { pageSize: 1001 }), "page_size");
  const pageToken = "";
  await refuses(ask(api.nodes.listNodes.bind(api.nodes), { pageSize: 1001, pageToken }), "page_size");
  await refuses(ask(api.gpus.listGpus.bind(api.gpus), { node: "", pageSize: 1001, pageToken }), "page_size");
  for (const pageToken of ["x", "-1", "1e3", " 1", "0x10", "9".repeat(30)]) {
    await refuses(api.page(id, { pageToken }), "page_token");
  }
  await refuses(api.page(id, { status: "excellent" }), "status");
  await refuses(api.export(id, "docx"), "format", "html, json, csv, markdown, junit, jsonl");
  await refuses(api.validate({ suite: suiteOf() }, 21), "show");
  await refuses(api.missing(["zz"]), "sha256[0]");
  await refuses(api.missing(Array(1001).fill("0".repeat(64))), "sha256");
  await refuses(api.download("../x"), "sha256");
});

test("unknown ids are not found, whatever is asked of them", async () => {
  const { api } = fleet;
  const id = "c-none";
  const calls = [
    () => api.get(id),
    () => api.cancel(id),
    () => api.summary(id),
    () => api.page(id),
    () => api.export(id, "jsonl"),
    () => api.export(id, "html"),
    () => api.job(id, "j0000"),
    () => ask(api.jobs.listJobs.bind(api.jobs), { campaignId: id }),
    () => listen(api.campaigns.watchCampaign({ id })),
    () => api.node("nobody"),
    () => ask(api.gpus.listGpus.bind(api.gpus), { node: "nobody", pageSize: 0, pageToken: "" }),
    () => api.download("0".repeat(64)),
  ];
  for (const call of calls)
    expect([String(call), (await errorOf(call())).code]).toEqual([String(call), "not_found"]);
  const { id: real } = await api.create({ suite: suiteOf({ items: 1 }) });
  await api.ended(real);
  expect((await errorOf(api.job(real, "j9999"))).code).toBe("not_found");
  expect((await errorOf(api.page(real, { jobId: "j9999" }))).code).toBe("not_found");
});

test("messages over 4 MiB are refused", async () => {
  const error = await errorOf(fleet.api.create({ suite: "x".repeat(5 * 1024 * 1024) }));
  expect(error.code).toBe("resource_exhausted");
  expect((await errorOf(fleet.api.create({ suite: `name: ${"x".repeat(300 * 1024)}` }))).code).toBe(
    "invalid_argument",
  );
  const warnings = Array(60).fill("w".repeat(60_000));
  expect((await errorOf(fleet.api.create({ suite: suiteOf(), inputs: [input({ warnings })] }))).code).toBe(
    "invalid_argument",
  );
});

test("uploads that are not what their head says leave nothing", async () => {
  const bytes = Buffer.from("some bytes");
  const hash = sha256(bytes);
  const head = (more: object = {}) =>
    ({ $case: "head", value: { sha256: hash, sizeBytes: bytes.byteLength, ...more } }) as const;
  const chunk = (value: Buffer) => ({ $case: "chunk", value }) as const;
  const other = sha256("other");
  await refuses(fleet.api.upload([]), "head", "is required");
  await refuses(fleet.api.upload([chunk(bytes), head()]), "head", "must come first");
  await refuses(fleet.api.upload([head(), head(), chunk(bytes)]), "head", "twice");
  await refuses(fleet.api.upload([head({ sha256: "nope" })]), "head.sha256");
  await refuses(fleet.api.upload([head({ sha256: other }), chunk(bytes)]), "head.sha256", hash);
  await refuses(fleet.api.upload([head({ sizeBytes: 3 }), chunk(bytes)]), "head.size_bytes");
  await refuses(fleet.api.upload([head({ sizeBytes: 30 }), chunk(bytes)]), "head.size_bytes");
  await refuses(fleet.api.upload([head({ sizeBytes: 101 * 1024 * 1024 })]), "head.size_bytes");
  expect(await fleet.api.missing([hash, other])).toEqual([hash, other]);
  const files = await readdir(join(fleet.folder, "artifacts/cas"), { recursive: true });
  expect(files.filter((name) => name.includes(".tmp-"))).toEqual([]);
  const stored = await fleet.api.upload([head(), chunk(bytes.subarray(0, 4)), chunk(bytes.subarray(4))]);
  expect(stored).toEqual({ sha256: hash, sizeBytes: bytes.byteLength });
  expect(await fleet.api.missing([hash, other])).toEqual([other]);
  expect(await fleet.api.download(hash)).toEqual(bytes);
});

test("an upload that its sender breaks off leaves nothing", async () => {
  const stream = fleet.api.artifacts.upload(() => {});
  stream.on("error", () => {});
  const hash = sha256("never sent whole");
  stream.write({ part: { $case: "head", value: { sha256: hash, sizeBytes: 1_000_000 } } });
  stream.write({ part: { $case: "chunk", value: Buffer.alloc(100_000) } });
  const folder = join(fleet.folder, "artifacts/cas/sha256", hash.slice(0, 2));
  const files = () => readdir(folder).catch((): string[] => []);
  const begun = async () => (await files()).some((name) => name.startsWith(hash));
  await until("it has begun", begun);
  stream.cancel();
  await until("nothing of it is left", async () => !(await begun()));
});

test("one key, one campaign: the same spec returns it, another is refused", async () => {
  const { api } = fleet;
  const suite = suiteOf({ items: 2 });
  const first = await api.create({ suite, modelMap: { m: "simulated:m" } }, "key-1");
  const again = await api.create({ suite, modelMap: { m: "simulated:m" } }, "key-1");
  expect(again.id).toBe(first.id);
  expect((await errorOf(api.create({ suite, priority: 1 }, "key-1"))).code).toBe("already_exists");
  expect((await api.create({ suite }, "key-2")).id).not.toBe(first.id);
  expect((await api.create({ suite })).id).not.toBe((await api.create({ suite })).id);
});

test("many creations with one key at once make one campaign", async () => {
  const { api } = fleet;
  const before = (
    await ask(api.campaigns.listCampaigns.bind(api.campaigns), { pageSize: 1000, pageToken: "" })
  ).campaigns.length;
  const all = await Promise.all(Array.from({ length: 8 }, () => api.create({ suite: suiteOf() }, "key-3")));
  expect(new Set(all.map(({ id }) => id)).size).toBe(1);
  const after = (
    await ask(api.campaigns.listCampaigns.bind(api.campaigns), { pageSize: 1000, pageToken: "" })
  ).campaigns.length;
  expect(after).toBe(before + 1);
});
