/** What a leader makes of a campaign of which something cannot be read back. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { campaignEvent } from "./lifecycle.js";
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
