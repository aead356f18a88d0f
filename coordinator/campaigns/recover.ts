/**
 * What a leader that begins reads back: every campaign as the state store has it at one revision. Open ones get their
 * plan from the artifact store and each shard's end or failures from the records; what an earlier leader had begun
 * (planning, opening gates, sealing) goes on from where its records say it was.
 *
 * 1. All records are of one revision, so that no job is seen sealed without its done records.
 * 2. Nothing is taken for ended that has no record, and nothing for open that has one.
 * 3. A plan that cannot be read at the moment is waited for; one that is gone or damaged ends its campaign as FAILED.
 * 4. So is a manifest; one that is gone or damaged counts as a job that failed, as long as this leader is there. What the
 *    store says of that job stays, for when the manifest is back, and the campaign's other jobs go on.
 * 5. What another version of this program wrote ends no campaign: whoever cannot read it does not lead.
 */
import type { Fence } from "../../shared/domain/fence.js";
import { Breath } from "../../shared/runtime/breath.js";
import { errorText } from "../../shared/runtime/errors.js";
import { ForeignVersion } from "../../shared/runtime/foreign-version.js";
import { decode, keys, parseShardKey } from "../store/keys.js";
import { listAll } from "../store/reflect.js";
import type { KV, StateStore } from "../store/store.js";
import type {
  AgentValue,
  DoneValue,
  FailValue,
  InventoryValue,
  JobValue,
  QuarantineValue,
} from "../store/values.js";
import { detached, patiently } from "./background.js";
import { type CampaignEntry, closeJob, isEnded, type JobEntry } from "./board.js";
import { damagedJob, type Sealed } from "./damaged.js";
import { campaignEvent } from "./lifecycle.js";
import { readManifest } from "./manifest.js";
import type { CampaignParts } from "./parts.js";
import { readPlan } from "./plan.js";
import { resumePlanning, resumeSealing } from "./resume.js";

/** The records of one job, by shard. */
interface Found {
  gate: bigint;
  value?: JobValue;
  done: [number, DoneValue][];
  fails: { index: number; fence: Fence; value: FailValue }[];
}

export interface Recovered {
  /** Nodes an earlier leader knew, with what is stored of them. */
  agents: AgentValue[];
  /** Inventories by hash. */
  inventories: Map<string, InventoryValue>;
  /** Nodes that are blamed for failures. */
  quarantines: QuarantineValue[];
  /** Campaigns that have not ended. */
  open: number;
}

/** Fills the board. Rejects when the store does not answer, or the term ends. */
export async function recover(
  parts: CampaignParts,
  state: StateStore,
  signal: AbortSignal,
): Promise<Recovered> {
  const { kvs } = await listAll(
    state,
    [
      keys.campaigns,
      keys.jobs,
      keys.gates,
      keys.dones,
      keys.fails,
      keys.agents,
      keys.inventories,
      keys.quarantines,
    ],
    signal,
  );
  const records = new Records(kvs);
  const open: CampaignEntry[] = [];
  for (const kv of records.of(keys.campaigns)) {
    const entry = parts.board.add(decode(keys.campaigns.codec, kv));
    if (!isEnded(entry.value.state)) open.push(entry);
  }
  const jobs = await records.jobs(new Breath(parts.clock));
  for (const entry of open) {
    await restoreCampaign(parts, entry, jobs.get(entry.value.id) ?? new Map(), signal);
  }
  const inventories = new Map<string, InventoryValue>();
  for (const kv of records.of(keys.inventories)) {
    inventories.set(kv.key.slice(keys.inventories.from.length), decode(keys.inventories.codec, kv));
  }
  const agents = [...records.of(keys.agents)].map((kv) => decode(keys.agents.codec, kv));
  const quarantines = [...records.of(keys.quarantines)].map((kv) => decode(keys.quarantines.codec, kv));
  return { agents, inventories, quarantines, open: open.length };
}

/** Lets go on what an earlier leader had begun; called once everything is read back and agents may come. */
export function resume(parts: CampaignParts): void {
  for (const entry of parts.board.list()) {
    const { kind } = entry.value.state;
    if (kind === "SUBMITTED" || kind === "PLANNED") detached(parts, resumePlanning(parts, entry));
    else if (!isEnded(entry.value.state)) detached(parts, resumeSealing(parts, entry));
  }
}

async function restoreCampaign(
  parts: CampaignParts,
  entry: CampaignEntry,
  jobs: ReadonlyMap<string, Found>,
  signal: AbortSignal,
): Promise<void> {
  const { state, id } = entry.value;
  if (!("planSha256" in state) || state.planSha256 === undefined) return; // not planned yet
  try {
    await layOut(parts, entry, state.planSha256, jobs, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ForeignVersion) throw error; // invariant 5
    const reason = `it cannot be read back: ${errorText(error)}`;
    parts.log.error({ err: error, campaign: id }, "a campaign cannot go on");
    if (state.kind === "SEALING") return;
    const end =
      state.kind === "PLANNED"
        ? ({ kind: "cancel", reason } as const)
        : ({ kind: "finish", outcome: "FAILED", reason } as const);
    detached(parts, campaignEvent(parts, entry, end));
  }
}

async function layOut(
  parts: CampaignParts,
  entry: CampaignEntry,
  planSha256: string,
  jobs: ReadonlyMap<string, Found>,
  signal: AbortSignal,
): Promise<void> {
  const { board, clock } = parts;
  const { state, id } = entry.value;
  const plan = await patiently(parts, `reading the plan of ${id}`, () => readPlan(parts, planSha256));
  board.setPlan(entry, plan, clock.nowMs());
  for (const job of entry.jobs) {
    const { gate = 0n, value, done = [], fails = [] } = jobs.get(job.spec.id) ?? {};
    const sealed =
      value?.manifestSha256 === undefined
        ? undefined
        : await readSealed(parts, entry, job, value.manifestSha256, signal);
    const records = {
      ...{ gate, done, fails },
      ...(value === undefined ? {} : { state: value.state }),
      ...(state.kind === "PAUSED" ? { paused: state.reason } : {}),
      ...sealed,
    };
    board.restore(job, records, clock.nowMs());
    if (isEnded(job.state)) closeJob(job);
  }
}

/** What a sealed job's manifest has. Invariant 4. */
async function readSealed(
  parts: CampaignParts,
  entry: CampaignEntry,
  job: JobEntry,
  manifestSha256: string,
  signal: AbortSignal,
): Promise<Sealed> {
  const { artifacts, clock } = parts;
  try {
    const what = `reading manifests of ${entry.value.id}`;
    return {
      manifestSha256,
      done: await patiently(parts, what, () => readManifest(artifacts, manifestSha256, clock)),
    };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ForeignVersion) throw error; // invariant 5
    return damagedJob(parts, entry, job.spec.id, manifestSha256, error);
  }
}

/** Keys and values of one revision. */
class Records {
  constructor(private readonly kvs: ReadonlyMap<string, KV>) {}

  *of(folder: { from: string; to: string }): Generator<KV> {
    for (const kv of this.kvs.values()) if (folder.from <= kv.key && kv.key < folder.to) yield kv;
  }

  /** By campaign and job. */
  async jobs(breath: Breath): Promise<Map<string, Map<string, Found>>> {
    const campaigns = new Map<string, Map<string, Found>>();
    const found = (campaign: string, job: string): Found => {
      const jobs = campaigns.get(campaign) ?? new Map<string, Found>();
      campaigns.set(campaign, jobs);
      const one = jobs.get(job) ?? { gate: 0n, done: [], fails: [] };
      jobs.set(job, one);
      return one;
    };
    for (const kv of this.of(keys.jobs)) {
      const value = decode(keys.jobs.codec, kv);
      found(value.campaign, value.id).value = value;
    }
    for (const kv of this.of(keys.gates)) {
      const [campaign = "", job = ""] = kv.key.slice(keys.gates.from.length).split("/");
      decode(keys.gates.codec, kv); // that it is there says what counts, as long as it is a gate as we know them
      found(campaign, job).gate = kv.createRev;
    }
    for (const kv of this.of(keys.dones)) {
      if (breath.isDue()) await breath.take();
      const at = parseShardKey(kv.key);
      if (at) found(at.campaign, at.job).done.push([at.shard, decode(keys.dones.codec, kv)]);
    }
    for (const kv of this.of(keys.fails)) {
      if (breath.isDue()) await breath.take();
      const at = parseShardKey(kv.key);
      if (at?.fence === undefined) continue;
      const value = decode(keys.fails.codec, kv);
      found(at.campaign, at.job).fails.push({ index: at.shard, fence: at.fence, value });
    }
    return campaigns;
  }
}
