/**
 * The API as strangers meet it: grpcurl and buf curl, which know nothing but the address and what reflection tells
 * them. Every service is listed, described and called with both; a campaign is submitted, followed and read.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import type { Json } from "../../shared/benchmark/json.js";
import { sha256 } from "../../shared/runtime/hash.js";
import { stopProcess } from "../support/child.js";
import { type SaiProcesses, startSai } from "../support/sai-processes.js";

const SERVICES = [
  "grpc.health.v1.Health",
  "sai.v1.AdminService",
  "sai.v1.ArtifactService",
  "sai.v1.CampaignService",
  "sai.v1.EventService",
  "sai.v1.GpuService",
  "sai.v1.JobService",
  "sai.v1.NodeService",
  "sai.v1.ResultService",
];

/** The README's example: `sai apply` takes the same file. */
const SUITE = readFileSync(new URL("../../examples/inline/suite.yaml", import.meta.url), "utf8");

let fleet: SaiProcesses;
let campaignId = "";
const blob = Buffer.from("carried by reflection alone");

beforeAll(async () => {
  fleet = await startSai(["reflected-agent"], {});
  const created = await grpcurl("sai.v1.CampaignService/CreateCampaign", { spec: { suite: SUITE } });
  campaignId = textAt(created, "campaign", "id");
});
afterAll(async () => await fleet?.stop());

type Call = (method: string, request: Json, requests?: Json[]) => Promise<string>;
const clients: [string, Call][] = [
  ["grpcurl", grpcurl],
  ["buf curl", bufCurl],
];

test("grpcurl submits a campaign with inline items and follows it to its end", async () => {
  const states = answers(await grpcurl("sai.v1.CampaignService/WatchCampaign", { id: campaignId }));
  const last = states.at(-1) ?? "";
  expect(textAt(last, "campaign", "state")).toBe("CAMPAIGN_STATE_SUCCEEDED");
  expect(JSON.parse(last)).toMatchObject({
    campaign: { name: "inline sums", simulated: true, progress: { samples: 3, samplesDone: 3 } },
  });
});

test("buf curl submits the same campaign", async () => {
  const created = await bufCurl("sai.v1.CampaignService/CreateCampaign", { spec: { suite: SUITE } });
  const id = textAt(created, "campaign", "id");
  expect(id).not.toBe(campaignId);
  const last = answers(await bufCurl("sai.v1.CampaignService/WatchCampaign", { id })).at(-1) ?? "";
  expect(textAt(last, "campaign", "state")).toBe("CAMPAIGN_STATE_SUCCEEDED");
});

test("grpcurl lists every service and describes every method and message", async () => {
  const listed = (await run(inject("grpcurl"), ["-plaintext", fleet.apiAddress, "list"])).trim().split("\n");
  expect(listed.filter((name) => !name.startsWith("grpc.reflection."))).toEqual(SERVICES);
  for (const service of SERVICES) {
    const text = await run(inject("grpcurl"), ["-plaintext", fleet.apiAddress, "describe", service]);
    expect(text).toContain(`${service} is a service`);
    for (const [, message] of text.matchAll(/\( (?:stream )?\.([\w.]+) \)/g)) {
      const described = await run(inject("grpcurl"), [
        "-plaintext",
        fleet.apiAddress,
        "describe",
        message ?? "",
      ]);
      expect(described).toContain(`${message} is a message`);
    }
  }
});

test("buf curl lists every service and its methods", async () => {
  const listed = await run(inject("buf"), [
    "curl",
    ...BUF_FLAGS,
    "--list-services",
    `http://${fleet.apiAddress}`,
  ]);
  for (const service of SERVICES) expect(listed.split(/\s+/)).toContain(service);
  const methods = await run(inject("buf"), [
    "curl",
    ...BUF_FLAGS,
    "--list-methods",
    `http://${fleet.apiAddress}`,
  ]);
  expect(methods).toContain("sai.v1.CampaignService/CreateCampaign");
});

describe.each(clients)("%s calls", (_, call) => {
  test("Health", async () => {
    expect(textAt(await call("grpc.health.v1.Health/Check", {}), "status")).toBe("SERVING");
  });
  test("AdminService", async () => {
    const status = await call("sai.v1.AdminService/GetStatus", {});
    expect(JSON.parse(status)).toMatchObject({
      ...{ nodesReady: 1, store: "embedded", leader: fleet.apiAddress },
    });
    const released = await call("sai.v1.AdminService/ReleaseBrake", { reason: "to see" });
    expect(JSON.parse(released).brake).toEqual({});
  });
  test("NodeService", async () => {
    expect(await call("sai.v1.NodeService/ListNodes", {})).toContain('"reflected-agent"');
    const node = await call("sai.v1.NodeService/GetNode", { id: "reflected-agent" });
    expect(JSON.parse(node)).toMatchObject({ node: { id: "reflected-agent", state: "ready" } });
  });
  test("NodeService's verbs", async () => {
    const id = "reflected-agent";
    const cordoned = JSON.parse(await call("sai.v1.NodeService/CordonNode", { id, reason: "to see" }));
    expect(cordoned).toMatchObject({ node: { cordoned: true, cordonReason: "to see" } });
    const drained = await call("sai.v1.NodeService/DrainNode", { id, deadlineMs: 60_000 });
    expect(JSON.parse(drained)).toMatchObject({ node: { state: "draining", cordoned: true } });
    const open = JSON.parse(await call("sai.v1.NodeService/UncordonNode", { id })).node;
    expect(open).toMatchObject({ state: "ready" });
    expect(open).not.toHaveProperty("cordoned");
    const labelled = await call("sai.v1.NodeService/LabelNode", { id, set: { zone: "a" }, unset: ["rack"] });
    expect(JSON.parse(labelled)).toMatchObject({ node: { labels: { zone: "a" } } });
    await expect(call("sai.v1.NodeService/RemoveNode", { id })).rejects.toThrow(/not lost/);
  });
  test("GpuService", async () => {
    expect(JSON.parse(await call("sai.v1.GpuService/ListGpus", {}))).toEqual({});
  });
  test("CampaignService", async () => {
    await ended(call);
    const checked = await call("sai.v1.CampaignService/ValidateCampaign", {
      spec: { suite: SUITE },
      show: 1,
    });
    expect(JSON.parse(checked)).toMatchObject({
      ok: true,
      jobs: 1,
      samples: 3,
      messages: [{ user: "What is 3 + 4? Answer with the number only." }],
    });
    expect(await call("sai.v1.CampaignService/ListCampaigns", {})).toContain(campaignId);
    const again = await call("sai.v1.CampaignService/CancelCampaign", { id: campaignId });
    expect(textAt(again, "campaign", "state")).toBe("CAMPAIGN_STATE_SUCCEEDED");
  });
  test("CampaignService's verbs, on a campaign that has ended", async () => {
    await ended(call);
    const id = campaignId;
    for (const method of ["PauseCampaign", "ResumeCampaign", "RetryCampaign"])
      await expect(call(`sai.v1.CampaignService/${method}`, { id })).rejects.toThrow(new RegExp(id));
    const why = JSON.parse(await call("sai.v1.CampaignService/ExplainCampaign", { id }));
    expect(why).toMatchObject({ campaign: { id }, reasons: [{ code: "ended" }] });
  });
  test("EventService, until now", async () => {
    await ended(call);
    const events = answers(
      await call("sai.v1.EventService/StreamEvents", { campaignId, untilNow: true }),
    ).map((text) => JSON.parse(text).event);
    expect(events.at(-1)).toMatchObject({ campaignId, kind: "campaign.succeeded" });
    const again = { campaignId, untilNow: true, since: events.at(-1).seq, epoch: events.at(-1).epoch };
    expect(answers(await call("sai.v1.EventService/StreamEvents", again))).toEqual([]);
  });
  test("JobService", async () => {
    await ended(call);
    const [job] = JSON.parse(await call("sai.v1.JobService/ListJobs", { campaignId })).jobs;
    const one = await call("sai.v1.JobService/GetJob", { campaignId, jobId: job.progress.id });
    expect(JSON.parse(one)).toMatchObject({
      job: { engine: "simulated", shards: [{ count: 3, state: "done", node: "reflected-agent" }] },
    });
  });
  test("ResultService", async () => {
    await ended(call);
    const summary = JSON.parse(await call("sai.v1.ResultService/GetSummary", { campaignId })).summary;
    expect(summary).toMatchObject({
      state: "succeeded",
      simulated: true,
      cells: [{ counts: { planned: 3 } }],
    });
    const samples = JSON.parse(await call("sai.v1.ResultService/ListSamples", { campaignId, pageSize: 2 }));
    expect(samples.recordsJson).toHaveLength(2);
    expect(samples.nextPageToken).not.toBe("");
    const chunks = answers(await call("sai.v1.ResultService/Export", { campaignId, format: "html" }));
    const page = Buffer.concat(chunks.map((chunk) => Buffer.from(textAt(chunk, "chunk"), "base64")));
    expect(page.toString("utf8")).toMatch(/^<!doctype html>/i);
  });
  test("ArtifactService", async () => {
    const head = { head: { sha256: sha256(blob), sizeBytes: blob.length } };
    const stored = await call("sai.v1.ArtifactService/Upload", head, [{ chunk: blob.toString("base64") }]);
    expect(textAt(stored, "sha256")).toBe(sha256(blob));
    const stat = await call("sai.v1.ArtifactService/StatArtifacts", {
      sha256: [sha256(blob), "0".repeat(64)],
    });
    expect(JSON.parse(stat)).toEqual({ missing: ["0".repeat(64)] });
    const chunks = answers(await call("sai.v1.ArtifactService/Download", { sha256: sha256(blob) }));
    expect(chunks.map((chunk) => Buffer.from(textAt(chunk, "chunk"), "base64").toString()).join("")).toBe(
      `${blob}`,
    );
  });
  test("and gets field violations for a bad request", async () => {
    const refused = call("sai.v1.CampaignService/CreateCampaign", {
      spec: { suite: "schema: sai/v1", priority: 5000 },
    });
    expect(await violations(refused)).toContain("spec.priority");
    const missing = call("sai.v1.CampaignService/GetCampaign", { id: "none-such" });
    await expect(missing).rejects.toThrow(/none-such/);
  });
});

// The stream of events never ends by itself, so the clients are stopped once the campaign's end has been seen.
test.each([
  ["grpcurl", () => [inject("grpcurl"), "-plaintext", "-d"]],
  ["buf curl", () => [inject("buf"), "curl", ...BUF_FLAGS, "-d"]],
])("%s follows EventService", async (client, command) => {
  const [program = "", ...flags] = command();
  const method = "sai.v1.EventService/StreamEvents";
  const target = client === "grpcurl" ? [fleet.apiAddress, method] : [`http://${fleet.apiAddress}/${method}`];
  const child = spawn(program, [...flags, JSON.stringify({ campaignId }), ...target]);
  try {
    const text = await seen(child, "campaign.succeeded");
    expect(text).toMatch(new RegExp(`"campaignId": ?"${campaignId}"`));
  } finally {
    await stopProcess(child);
  }
});

const BUF_FLAGS = ["--protocol", "grpc", "--http2-prior-knowledge"];

function grpcurl(method: string, request: Json, more: Json[] = []): Promise<string> {
  const data = [request, ...more].map((message) => JSON.stringify(message)).join("\n");
  const args = ["-plaintext", "-max-time", "60", "-format-error", "-d", "@", fleet.apiAddress, method];
  return run(inject("grpcurl"), args, data);
}

function bufCurl(method: string, request: Json, more: Json[] = []): Promise<string> {
  const data = [request, ...more].map((message) => JSON.stringify(message)).join("\n");
  return run(inject("buf"), ["curl", ...BUF_FLAGS, "-d", "@-", `http://${fleet.apiAddress}/${method}`], data);
}

/** The campaign's end, seen through the client under test. */
async function ended(call: Call): Promise<void> {
  await call("sai.v1.CampaignService/WatchCampaign", { id: campaignId });
}

/** What a refused call said; buf curl leaves the details of google.rpc.Status in base64. */
async function violations(refused: Promise<string>): Promise<string> {
  const text = await refused.then(
    (answer) => `not refused: ${answer}`,
    (error: Error) => error.message,
  );
  const details = [...text.matchAll(/"value": "([^"]+)"/g)].map(([, value]) => value ?? "");
  return [text, ...details.map((value) => Buffer.from(value, "base64").toString())].join("\n");
}

/** Runs a program to its end; throws with everything it printed when it fails. */
function run(program: string, args: string[], input = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args);
    let [out, err] = ["", ""];
    child.stdout.on("data", (bytes) => {
      out += bytes;
    });
    child.stderr.on("data", (bytes) => {
      err += bytes;
    });
    child.on("error", reject);
    child.on("close", (code) =>
      code === 0 ? resolve(out) : reject(new Error(`exit ${code}: ${out}${err}`)),
    );
    // Who answers without reading it all has said so by its exit code.
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}

/** Resolves with the output once `text` is in it; rejects when the program ends before. */
function seen(child: ChildProcess, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let all = "";
    child.stdout?.on("data", (bytes) => {
      all += bytes;
      if (all.includes(text)) resolve(all);
    });
    child.stderr?.on("data", (bytes) => {
      all += bytes;
    });
    child.on("close", (code) => reject(new Error(`exit ${code} before "${text}": ${all}`)));
  });
}

/** The JSON objects of a stream, each as text; both clients print one after the other. */
function answers(text: string): string[] {
  const found: string[] = [];
  let [depth, start, quoted] = [0, 0, false];
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted) {
      if (c === "\\") i += 1;
      else if (c === '"') quoted = false;
    } else if (c === '"') quoted = true;
    else if (c === "{" && depth++ === 0) start = i;
    else if (c === "}" && --depth === 0) found.push(text.slice(start, i + 1));
  }
  return found;
}

/** A text inside an answer, such as campaign.id; "" when it is not there. */
function textAt(text: string, ...path: string[]): string {
  let at: Json | undefined = JSON.parse(text);
  for (const key of path)
    at = typeof at === "object" && at !== null && !Array.isArray(at) ? at[key] : undefined;
  return typeof at === "string" ? at : "";
}
