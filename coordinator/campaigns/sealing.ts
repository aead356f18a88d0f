/**
 * Sealing: what a job's records say becomes one artifact, and the records go; then the campaign gets its summary and its
 * end. Each step may be repeated after a crash at any point, and the bytes come out the same.
 *
 *   gate gone, job SEALING → manifest from the store's records → its hash in the job record → records deleted → job ended
 *
 * 1. A job's gate is gone before its records are listed, so that the manifest is complete.
 * 2. No record is deleted before the job record names the manifest that has it.
 * 3. Records are deleted in ranges of at most 5,000 keys, each of which may be deleted twice.
 */
import { isAway, putCas } from "../../shared/artifacts/store.js";
import { canonicalJson } from "../../shared/benchmark/json.js";
import { type JobState, transitionJob } from "../../shared/domain/job.js";
import { rfc3339 } from "../../shared/runtime/clock.js";
import { errorText, SaiError } from "../../shared/runtime/errors.js";
import { del, delRange, put } from "../store/fenced-store.js";
import { decode, type Folder, keys, parseShardKey } from "../store/keys.js";
import type { Op, Range } from "../store/store.js";
import { persistently } from "./background.js";
import { type CampaignEntry, type JobEntry, restoreDone } from "./board.js";
import { isJudged, letJudge, storeAnswers } from "./judged-answers.js";
import { inTurn, jobEvent, tryCampaignEvent } from "./lifecycle.js";
import { manifestBytes, type ShardRecord } from "./manifest.js";
import { type CampaignParts, write } from "./parts.js";

/** Seals a job that is SEALING, once, whoever asks. */
export function sealJob(parts: CampaignParts, entry: CampaignEntry, job: JobEntry): Promise<void> {
  const what = `sealing job ${job.spec.id} of ${entry.value.id}`;
  job.sealed ??= persistently(parts, what, () => writeSeal(parts, entry, job));
  return job.sealed;
}

async function writeSeal(parts: CampaignParts, entry: CampaignEntry, job: JobEntry): Promise<void> {
  const campaign = entry.value.id;
  const { id } = job.spec;
  const record = (state: JobState): Op => {
    const { manifestSha256 } = job;
    const value = { campaign, id, state };
    return put(keys.job(campaign, id), manifestSha256 === undefined ? value : { ...value, manifestSha256 });
  };
  if (job.manifestSha256 === undefined) {
    await write(parts, { ops: [del(keys.gate(campaign, id)), record(job.state)] }); // invariant 1
    job.gate = 0n;
    job.manifestSha256 = await inTurn(parts.manifests, async () => {
      const bytes = await manifestBytes(campaign, id, storedRecords(parts, campaign, job), parts.clock);
      return putCas(parts.artifacts, bytes);
    });
  }
  if (isJudged(entry, job)) await storeAnswers(parts, entry, job);
  const end = transitionJob(job.state, { kind: "sealed" }, parts.clock.wallMs());
  if (!end.ok) return;
  const ranges = await recordRanges(parts, campaign, job);
  for (const [i, range] of ranges.entries()) {
    // Invariant 2: the first of these names the manifest, the last one ends the job.
    const state = i === ranges.length - 1 ? end.state : job.state;
    await write(parts, { ops: [record(state), delRange(range)] });
  }
  jobEvent(parts, entry, job, { kind: "sealed" });
  letJudge(parts, entry, job);
}

/** The done records as the store has them; those whose answers we never heard are noted on the board. */
async function* storedRecords(
  parts: CampaignParts,
  campaign: string,
  job: JobEntry,
): AsyncGenerator<ShardRecord> {
  const folder = keys.doneOf(campaign, job.spec.id);
  for await (const { kvs } of parts.state.list(folder)) {
    for (const kv of kvs) {
      const index = parseShardKey(kv.key)?.shard;
      if (index === undefined) continue;
      const done = decode(folder.codec, kv);
      restoreDone(job, index, done, parts.clock.nowMs());
      yield [index, done];
    }
  }
}

const KEYS_AT_ONCE = 5000;

/** Ranges of at most 5,000 keys that together have all done and fail records of a job; at least one. */
async function recordRanges(parts: CampaignParts, campaign: string, job: JobEntry): Promise<Range[]> {
  const { id } = job.spec;
  const done = keys.doneOf(campaign, id);
  const ranges: Range[] = [];
  for (let from = KEYS_AT_ONCE; from < job.shards.length; from += KEYS_AT_ONCE) {
    const [first, to] = [from - KEYS_AT_ONCE, from].map((index) => keys.done(campaign, id, index).key);
    ranges.push({ from: first ?? done.from, to: to ?? done.to });
  }
  const last = ranges.at(-1);
  ranges.push({ from: last !== undefined && "to" in last ? last.to : done.from, to: done.to });
  return [...(await listedRanges(parts, keys.failsOf(campaign, id))), ...ranges];
}

/** There may be any number of failures a shard, so their keys are listed; mostly there are none. */
async function listedRanges(parts: CampaignParts, folder: Folder<unknown>): Promise<Range[]> {
  const ranges: Range[] = [];
  let from = folder.from;
  let listed = 0;
  for await (const { kvs } of parts.state.list(folder)) {
    for (const { key } of kvs) {
      if (listed > 0 && listed % KEYS_AT_ONCE === 0) {
        ranges.push({ from, to: key });
        from = key;
      }
      listed += 1;
    }
  }
  return listed === 0 ? [] : [...ranges, { from, to: folder.to }];
}

/** Ends a campaign that is SEALING. The stored summary is the final one, with the outcome and the end. */
export async function sealCampaign(parts: CampaignParts, entry: CampaignEntry): Promise<void> {
  const { id } = entry.value;
  await Promise.all(
    entry.jobs.map((job) => (job.state.kind === "SEALING" ? sealJob(parts, entry, job) : job.sealed)),
  );
  await persistently(parts, `storing the summary of ${id}`, () => storeSummary(parts, entry));
  await persistently(parts, `ending campaign ${id}`, async () => {
    await tryCampaignEvent(parts, entry, { kind: "sealed" });
  });
}

/** Throws only what waiting can mend. */
async function storeSummary(parts: CampaignParts, entry: CampaignEntry): Promise<void> {
  const { id, state } = entry.value;
  if (state.kind !== "SEALING") return;
  try {
    const summary = await parts.results.summary(id);
    const ended = { state: state.outcome.toLowerCase(), endedAt: rfc3339(state.sinceMs) };
    const json = canonicalJson(JSON.parse(JSON.stringify({ ...summary, ...ended })));
    await parts.artifacts.put(`run/${id}/summary.json`, Buffer.from(json));
  } catch (err) {
    if (isAway(err)) throw err;
    // An earlier leader may have stored it with other warnings. Records that are gone or damaged must not keep the
    // campaign from ending; asking for the summary tells why.
    if (err instanceof SaiError && err.code === "already_exists") return;
    parts.log.error({ err, campaign: id }, "the summary of a campaign cannot be stored");
    const warning = `the summary could not be stored: ${errorText(err)}`;
    entry.value = { ...entry.value, warnings: [...entry.value.warnings, warning] };
  }
}
