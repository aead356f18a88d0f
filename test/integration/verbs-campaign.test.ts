/** What people do to campaigns, through the command, the API, the use cases and back. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { CampaignState, type Event } from "../../cli/client.js";
import { cliOf } from "../support/cli.js";
import { startFleet, type TestFleet } from "../support/fleet.js";
import { suiteOf } from "../support/suites.js";
import { until } from "../support/until.js";

let fleet: TestFleet;
let sai: ReturnType<typeof cliOf>;
beforeAll(async () => {
  fleet = await startFleet({ agents: ["n1"] });
  sai = cliOf(fleet);
});
afterAll(() => fleet?.stop());
// Whatever a test left would be in the next one's way.
afterEach(async () => {
  const { out } = await sai("campaign", "list", "-o", "jsonl");
  for (const { id, endTime } of jsonl<{ id: string; endTime?: string }>(out))
    if (endTime === undefined) await sai("campaign", "cancel", id, "--wait");
});

function jsonl<T = Event>(text: string): T[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as T);
}

test("events: what there was, in order, with an end of its own; --since leaves out what is known", async () => {
  const { id } = await fleet.api.create({ suite: suiteOf({ items: 2 }) });
  await fleet.api.ended(id);
  const { code, out } = await sai("campaign", "events", id);
  expect(code).toBe(0);
  expect(out).toMatch(/^TIME +SEQ +EVENT +JOB +NODE +MESSAGE\n/);
  const kinds = [...out.matchAll(/ (campaign\.\w+) /g)].map(([, kind]) => kind);
  expect(kinds).toEqual(
    ["submitted", "planned", "running", "sealing", "succeeded"].map((verb) => `campaign.${verb}`),
  );
  const all = jsonl((await sai("campaign", "events", id, "-o", "jsonl")).out);
  const third = all[2]?.seq ?? 0;
  const later = jsonl((await sai("campaign", "events", id, "--since", `${third}`, "-o", "jsonl")).out);
  expect(later).toEqual(all.slice(3));
  expect(new Set(all.map(({ epoch }) => epoch)).size).toBe(1);
  const ahead = await sai("campaign", "events", id, "--since", "999999");
  expect(ahead.code).toBe(1);
  expect(ahead.err).toMatch(/^error: the newest event is \d+, asked for those after 999999\nhint: /);
});

test("events --follow: as they happen, until the campaign has ended; of one that ended, all at once", async () => {
  const { id } = await fleet.api.create({
    suite: suiteOf({ items: 6, shardSize: 2, options: { latency_ms: 50 } }),
  });
  const followed = await sai("campaign", "events", id, "--follow", "-o", "jsonl");
  expect(followed.code).toBe(0);
  expect(jsonl(followed.out).at(-1)?.kind).toBe("campaign.succeeded");
  const again = await sai("campaign", "events", id, "--follow", "-o", "jsonl");
  expect(jsonl(again.out)).toEqual(jsonl(followed.out));
  expect(again.err).toBe("");
  const lines = (await sai("campaign", "events", id, "--follow")).out;
  expect(lines).toMatch(/^\S+ \S+Z {2}campaign\.submitted {2}test was submitted\n/);
  expect((await sai("campaign", "events", "c-nope")).err).toMatch(/^error: .*c-nope/);
});

test("why: which nodes cannot, what runs where and why there; of an ended campaign, how it ended", async () => {
  const stuck = await fleet.api.create({
    suite: suiteOf({ items: 2, options: { device: "test" } }),
  });
  await until("it waits", async () => (await fleet.api.get(stuck.id)).waiting.length > 0);
  const none = await sai("campaign", "get", stuck.id, "--why");
  expect(none.out).toMatch(/waits +no node can run simulated:m/);
  expect(none.out).toContain("n1");
  expect(none.out).toContain("has no test device");
  await sai("campaign", "cancel", stuck.id);

  // More shards than an agent takes ahead.
  const busy = await fleet.api.create({
    suite: suiteOf({ items: 1_200, shardSize: 1, options: { latency_ms: 60_000 } }),
  });
  await until("it runs", async () => (await fleet.api.get(busy.id)).jobs[0]?.state === "running");
  await until("n1 works", async () => (await fleet.api.node("n1")).attempts >= 2);
  const { campaign, jobs } = JSON.parse((await sai("campaign", "get", busy.id, "--why", "-o", "json")).out);
  expect(campaign.id).toBe(busy.id);
  const [{ shardsReady = 0, shardsRunning, placements, reasons }] = jobs;
  expect(shardsReady + shardsRunning).toBe(1_200);
  expect(placements).toEqual([{ node: "n1", attempts: shardsRunning, why: "no_load" }]);
  expect(reasons).toEqual([{ code: "busy", message: expect.stringContaining("busy") }]);
  await sai("campaign", "cancel", busy.id);
  await fleet.api.ended(busy.id);
  const ended = await sai("campaign", "get", busy.id, "--why");
  expect(ended.out).toMatch(/^why: it has ended, cancelled: cancelled by the user$/m);
  expect((await fleet.api.get(busy.id)).state).toBe(CampaignState.CANCELLED);
});

test("pause: what runs finishes, nothing more starts, --wait ends when nothing runs; resume goes on to the end", async () => {
  const { id } = await fleet.api.create({
    suite: suiteOf({ items: 40, shardSize: 2, options: { latency_ms: 50 } }),
  });
  await until("it works", async () => ((await fleet.api.get(id)).progress?.shardsDone ?? 0) > 0);
  const paused = await sai("campaign", "pause", id, "--reason", "hot room", "--wait");
  expect(paused.code).toBe(0);
  expect(paused.out).toMatch(/^state +paused\nreason +hot room$/m);
  const done = (await fleet.api.get(id)).progress?.samplesDone ?? 0;
  expect(done).toBeLessThan(40);
  expect((await fleet.api.node("n1")).attempts).toBe(0);
  const why = await sai("campaign", "get", id, "--why");
  expect(why.out).toMatch(
    /^why: it is paused: hot room; what runs finishes, `sai campaign resume` goes on$/m,
  );
  expect(why.out).toMatch(/^ {2}waits +.*paused/m);
  // Twice is harmless; the reason is the first one's.
  const twice = await sai("campaign", "pause", id, "--reason", "other");
  expect(twice).toMatchObject({ code: 0, out: expect.stringMatching(/^reason +hot room$/m) });

  const resumed = await sai("campaign", "resume", id, "--wait");
  expect(resumed.code).toBe(0);
  expect(resumed.out).toMatch(/^state +succeeded$/m);
  expect((await fleet.api.get(id)).progress?.samplesDone).toBe(40);
  expect(await sai("campaign", "resume", id)).toMatchObject({
    code: 1,
    err: expect.stringMatching(/^error: .* has ended \(succeeded\) and cannot be resumed\nhint: /),
  });
  expect((await sai("campaign", "pause", id)).code).toBe(1);
});

test("retry: a new campaign for what has no answer; one key, one retry; both know of each other", async () => {
  const whole = await fleet.api.create({ suite: suiteOf({ items: 2 }) });
  const running = await sai("campaign", "retry", whole.id);
  await fleet.api.ended(whole.id);
  const nothing = await sai("campaign", "retry", whole.id);
  expect(nothing.code).toBe(1);
  expect(nothing.err).toMatch(/^error: /);
  // It may have ended before the first retry was asked for; either way there was nothing to run again.
  expect(running.code).toBe(1);

  const suite = suiteOf({ items: 40, shardSize: 2, options: { latency_ms: 50 } });
  const { id } = await fleet.api.create({ suite });
  await until("it works", async () => ((await fleet.api.get(id)).progress?.shardsDone ?? 0) > 0);
  await sai("campaign", "cancel", id);
  const { progress } = await fleet.api.ended(id);
  const answered = progress?.samplesDone ?? 0;
  const again = ["--idempotency-key", "again", "--priority", "7", "-o", "name"];
  const first = await sai("campaign", "retry", id, ...again);
  expect(first).toMatchObject({ code: 0, err: expect.stringContaining(`retries ${id}`) });
  const retry = first.out.trim();
  expect((await sai("campaign", "retry", id, ...again)).out.trim()).toBe(retry);
  const ended = await fleet.api.ended(retry);
  expect(ended).toMatchObject({ state: CampaignState.SUCCEEDED, retryOf: id, priority: 7 });
  expect(ended.progress?.samples).toBeLessThanOrEqual(40 - answered + 4);
  expect((await sai("campaign", "get", retry)).out).toMatch(new RegExp(`^retries +${id}$`, "m"));
  expect((await sai("campaign", "get", id)).out).toMatch(new RegExp(`^retried by ${retry}$`, "m"));
  expect(await sai("campaign", "retry", id)).toMatchObject({
    code: 1,
    err: expect.stringContaining(`was retried as ${retry}`),
  });
});

test("retry --wait ends with the table and the exit code of the new campaign", async () => {
  const suite = suiteOf({ items: 8, shardSize: 2, options: { latency_ms: 2_000 } });
  const { id } = await fleet.api.create({ suite });
  await until("it runs", async () => (await fleet.api.get(id)).jobs[0]?.state === "running");
  await sai("campaign", "cancel", id, "--wait");
  const output = join(fleet.folder, "retried.jsonl");
  const retried = await sai("campaign", "retry", id, "--wait", "--output", output);
  expect(retried.code).toBe(0);
  expect(retried.out).toContain("exact_match");
  expect(readFileSync(output, "utf8").trimEnd().split("\n")).toHaveLength(8);
});
