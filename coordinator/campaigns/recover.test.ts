/** What a leader makes of a campaign of which something cannot be read back. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { sha256 } from "../../shared/runtime/hash.js";
import { decode, keys } from "../store/keys.js";
import { MemoryStore } from "../store/memory-store.js";
import { listAll } from "../store/reflect.js";
import { prefix } from "../store/store.js";
import { campaignEvent } from "./lifecycle.js";
import { retryCampaign } from "./retry.js";
import { type Term, World } from "./world.test-support.js";

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.close());

const blobOf = (sha256: string | undefined) => `cas/sha256/${sha256?.slice(0, 2)}/${sha256}`;

/** A campaign of three jobs, the first of which is sealed and its manifest gone, the second begun. */
async function damaged() {
  const term = await world.term();
  const { value, jobs } = await term.campaign({ items: 4, shardSize: 2, models: 3 });
  const run = (job: string, index: number) => term.run({ campaign: value.id, job, index });
  for (const index of [0, 1]) await run("j0000", index);
  await world.until("the first job is sealed", () => jobs[0]?.state.kind === "SUCCEEDED");
  await run("j0001", 0);
  const manifest = jobs[0]?.manifestSha256;
  const bytes = world.blobs.get(blobOf(manifest));
  if (bytes === undefined) throw new Error("there is no manifest");
  world.blobs.delete(blobOf(manifest));
  return { term, id: value.id, manifest, putBack: () => world.blobs.set(blobOf(manifest), bytes) };
}

/** Jobs as the next leader has them. */
const jobsOf = (term: Term, id: string) =>
  term.board.campaign(id)?.jobs.map((job) => ({
    ...{ kind: job.state.kind, done: [...job.done.keys()], manifest: job.manifestSha256 },
  }));

const WARNING = "j0000: its manifest cannot be read back";

test("of a running campaign one job fails when its manifest is gone; the others go on, and it is there when the manifest is", async () => {
  const { id, manifest, putBack } = await damaged();
  let term = await world.term();
  expect(jobsOf(term, id)).toEqual([
    { kind: "FAILED", done: [], manifest },
    { kind: "RUNNING", done: [0], manifest: undefined },
    { kind: "RUNNING", done: [], manifest: undefined },
  ]);
  const entry = term.board.campaign(id);
  if (entry === undefined) throw new Error("the campaign is gone");
  await world.until("planned jobs run", () => entry.jobs[2]?.gate !== 0n);
  for (const [job, index] of [
    ["j0001", 1],
    ["j0002", 0],
    ["j0002", 1],
  ] as const) {
    await term.run({ campaign: id, job, index });
  }
  await term.ended(entry);
  expect(entry.value).toMatchObject({ state: { kind: "PARTIAL" }, tally: { samples: 12, samplesDone: 8 } });
  expect(entry.value.warnings).toEqual([expect.stringContaining(WARNING)]);

  putBack();
  term = await world.term();
  expect(await term.allRecords(id)).toHaveLength(12);
});

test("a campaign that is being stopped seals what it can read, and leaves the rest as it is", async () => {
  const { term: first, id, manifest, putBack } = await damaged();
  const stopped = first.board.campaign(id);
  if (stopped === undefined) throw new Error("the campaign is gone");
  world.artifactsAway = true;
  const cancel = campaignEvent(first.parts, stopped, { kind: "cancel", reason: "enough" });
  await world.get(cancel);
  expect(stopped.value.state.kind).toBe("SEALING");
  world.artifactsAway = false;
  let term = await world.term();
  const entry = term.board.campaign(id);
  if (entry === undefined) throw new Error("the campaign is gone");
  await term.ended(entry);
  expect(jobsOf(term, id)).toMatchObject([
    { kind: "FAILED", manifest },
    { kind: "CANCELLED", done: [0] },
    { kind: "CANCELLED", done: [] },
  ]);

  putBack();
  term = await world.term();
  expect(await term.allRecords(id)).toHaveLength(6);
});

test("an ended campaign with a damaged manifest is shown: that job is named, the others are whole", async () => {
  const { term: first, id, manifest, putBack } = await damaged();
  putBack();
  const entry = first.board.campaign(id);
  if (entry === undefined) throw new Error("the campaign is gone");
  for (const [job, index] of [
    ["j0001", 1],
    ["j0002", 0],
    ["j0002", 1],
  ] as const)
    await first.run({ campaign: id, job, index });
  await first.ended(entry);
  const blob = world.blobs.get(blobOf(manifest)) ?? Buffer.of();
  world.blobs.set(blobOf(manifest), blob.subarray(0, blob.length / 2));

  let term = await world.term();
  const again = term.board.campaign(id);
  if (again === undefined) throw new Error("the campaign is gone");
  await world.get(term.board.loaded(again));
  expect(jobsOf(term, id)).toMatchObject([
    { kind: "FAILED", done: [], manifest },
    { kind: "SUCCEEDED", done: [0, 1] },
    { kind: "SUCCEEDED", done: [0, 1] },
  ]);
  expect(again.value.warnings).toEqual([expect.stringContaining(WARNING)]);
  expect(again.value.state.kind).toBe("SUCCEEDED");
  const retried = retryCampaign(term.parts, again, { idempotencyKey: "" });
  await expect(world.get(retried)).rejects.toMatchObject({
    code: "failed_precondition",
    message: expect.stringMatching(/what job j0000 of campaign .* has answered is not known/),
  });

  world.blobs.set(blobOf(manifest), blob);
  term = await world.term();
  expect(await term.allRecords(id)).toHaveLength(12);
});

test("an ended campaign is asked for in vain while the artifact store is away, and whole when it is back", async () => {
  const { term: first, id, putBack } = await damaged();
  putBack();
  const stopped = first.board.campaign(id);
  if (stopped === undefined) throw new Error("the campaign is gone");
  await world.get(campaignEvent(first.parts, stopped, { kind: "cancel", reason: "enough" }));
  await first.ended(stopped);
  const term = await world.term();
  const entry = term.board.campaign(id);
  if (entry === undefined) throw new Error("the campaign is gone");
  world.artifactsAway = true;
  await expect(term.board.loaded(entry)).rejects.toMatchObject({ code: "unavailable" });
  expect(entry.value.warnings).toEqual([]);
  world.artifactsAway = false;
  await world.get(term.board.loaded(entry));
  expect(jobsOf(term, id)?.[0]).toMatchObject({ kind: "SUCCEEDED", done: [0, 1] });
});

test.each([
  ["campaign/"],
  ["job/"],
  ["gate/"],
  ["done/"],
])("a value below %s that a newer program wrote ends no campaign: nobody leads who cannot read it", async (folder) => {
  const { id, putBack } = await damaged();
  putBack();
  const state = new MemoryStore(world.core, { clock: world.clock });
  const { kvs } = await listAll(state, [prefix(`/sai/v1/${folder}`)], new AbortController().signal);
  const [kv] = kvs.values();
  if (kv === undefined) throw new Error(`there is nothing below ${folder}`);
  const newer = Buffer.from(kv.value).toString().replace('{"v":1', '{"v":2');
  await state.txn({ compare: [], success: [{ put: { key: kv.key, value: Buffer.from(newer) } }] });
  const before = [
    ...(await listAll(state, [prefix("/sai/v1/campaign/")], new AbortController().signal)).kvs.values(),
  ];
  await expect(world.term()).rejects.toMatchObject({
    name: "ForeignVersion",
    message: `the value of ${kv.key} in the state store has version 2, this program reads version 1`,
    hint: expect.stringContaining("a newer program wrote it: upgrade this one"),
  });
  expect([
    ...(await listAll(state, [prefix("/sai/v1/campaign/")], new AbortController().signal)).kvs.values(),
  ]).toEqual(before);
  // The program that wrote it goes on where it was.
  await state.txn({ compare: [], success: [{ put: { key: kv.key, value: kv.value } }] });
  expect(jobsOf(await world.term(), id)).toMatchObject([{ kind: "SUCCEEDED" }, { kind: "RUNNING" }, {}]);
});

test("a plan that a newer program wrote ends no campaign either", async () => {
  const { id } = await damaged();
  const state = new MemoryStore(world.core, { clock: world.clock });
  const { key, codec } = keys.campaign(id);
  const { kv } = await state.get(key);
  const value = kv && decode(codec, kv);
  if (!value || !("planSha256" in value.state)) throw new Error("it has no plan");
  const plan = world.blobs.get(blobOf(value.state.planSha256))?.toString().replace('"v":1}', '"v":2}');
  const bytes = Buffer.from(plan ?? "");
  expect(JSON.parse(bytes.toString()).v).toBe(2);
  const planSha256 = sha256(bytes);
  world.blobs.set(blobOf(planSha256), bytes);
  const other = codec.encode({ ...value, state: { ...value.state, planSha256 } as typeof value.state });
  await state.txn({ compare: [], success: [{ put: { key, value: other } }] });
  await expect(world.term()).rejects.toMatchObject({
    message: `the plan ${planSha256} has version 2, this program reads version 1`,
  });
  expect(Buffer.from((await state.get(key)).kv?.value ?? []).equals(Buffer.from(other))).toBe(true);
});

test("an ended campaign whose manifest a newer program wrote is not shown as failed, and not run again", async () => {
  const { term: first, id, manifest, putBack } = await damaged();
  putBack();
  const stopped = first.board.campaign(id);
  if (stopped === undefined) throw new Error("the campaign is gone");
  await world.get(campaignEvent(first.parts, stopped, { kind: "cancel", reason: "enough" }));
  await first.ended(stopped);
  const text = world.blobs.get(blobOf(manifest))?.toString() ?? "";
  const newer = Buffer.from(text.replace('"v":1', '"v":2'));
  expect(newer.toString()).not.toBe(text);
  const state = new MemoryStore(world.core, { clock: world.clock });
  const { key, codec } = keys.job(id, "j0000");
  const { kv } = await state.get(key);
  if (kv === undefined) throw new Error("it has no record");
  world.blobs.set(blobOf(sha256(newer)), newer);
  const value = codec.encode({ ...decode(codec, kv), manifestSha256: sha256(newer) });
  await state.txn({ compare: [], success: [{ put: { key, value } }] });

  const term = await world.term();
  const entry = term.board.campaign(id);
  if (entry === undefined) throw new Error("the campaign is gone");
  const message = expect.stringMatching(/^the job manifest .* has version 2, this program reads version 1$/);
  await expect(world.get(term.board.loaded(entry))).rejects.toMatchObject({ message });
  expect(entry.value.warnings).toEqual([]);
  const retried = retryCampaign(term.parts, entry, { idempotencyKey: "" });
  await expect(world.get(retried)).rejects.toMatchObject({ message });
});
