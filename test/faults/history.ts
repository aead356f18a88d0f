/**
 * Was everything that happened allowed to happen? Answered from what was recorded while it did: each modification of
 * each key in etcd, who asked for it, the events that people were sent, and every line that agents ever wrote to their
 * journals. Pure, so that wrong histories can be shown to it (history.test.ts).
 *
 *  1. An acknowledged campaign was stored, and stays.
 *  2. Each shard has one done record: put once, never over another, never again after it was removed.
 *  3. A done record is put while its job's gate is open, and removed only when the job's manifest is stored.
 *  4. The done record is of the attempt whose records count in the end.
 *  5. Epochs rise. Nothing is written while nobody leads.
 *  6. Whoever wrote led at that revision, and compared its own epoch; every modification is one of these writes.
 *  7. An attempt's epoch is that of a leader, and not of one that came after its result.
 *  8. A campaign's states go forward; an ended one stays as it ended.
 *  9. Events are numbered without a gap, and say of a campaign what follows on what was said.
 * 10. No more attempts run on a device at a time than it has slots; one with one slot is exclusive.
 */
import type { Change, Value } from "../support/etcd-eyes.js";
import type { Write } from "../support/etcd-tap.js";

export interface SeenEvent {
  epoch: string;
  seq: number;
  kind: string;
  campaign: string;
  job: string;
  node: string;
  message: string;
}

/** What an attempt did on an agent, from its journal; ns of that start of the agent. */
export interface Span {
  agent: string;
  incarnation: string;
  lane: string;
  /** `<campaign>/<job>/<shard>`. */
  shard: string;
  fence: string;
  fromNs: number;
  toNs: number;
}

export interface History {
  changes: readonly Change[];
  /** Undefined where nobody wrote down who asked. */
  writes: readonly Write[] | undefined;
  /** Ids of campaigns whose submit was answered. */
  acknowledged: readonly string[];
  /** Whose records count, `<campaign>/<job>/<shard>` to fence, of campaigns that were looked at to the end. */
  counted: ReadonlyMap<string, string>;
  events: readonly SeenEvent[];
  spans: readonly Span[];
  /** Attempts at once on an agent's lane. */
  slots(lane: string): number;
}

/** Everything that should not have happened; empty if nothing. */
export function historyFaults(history: History): string[] {
  return [
    ...submitFaults(history),
    ...doneFaults(history),
    ...leaderFaults(history.changes),
    ...(history.writes ? writeFaults(history.changes, history.writes) : []),
    ...fenceFaults(history.changes),
    ...stateFaults(history.changes),
    ...eventFaults(history.events),
    ...deviceFaults(history),
  ];
}

/** An attempt that began a sample, as its journal was seen, wall ms. */
export interface Run {
  /** `<campaign>/<job>/<shard>`. */
  shard: string;
  fence: string;
  agent: string;
  beganMs: number;
  /** When the last line of its journal appeared. */
  lastMs: number;
  /** When its agent was seen to have removed its journal: it has been stopped, or has its answer. */
  removedMs: number | undefined;
}

/**
 * Shards that more than one attempt began to run: work that was taken from an agent that had it. An attempt that failed
 * may be followed by another. So may a straggler be run a second time, which an event tells of; but the first goes on
 * meanwhile: if it is not the one that counts, it was stopped only after the second had written its last line.
 */
export function requeues(
  runs: readonly Run[],
  events: readonly SeenEvent[],
  changes: readonly Change[],
): string[] {
  const seconds = new Set(
    events.flatMap(({ kind, campaign, job, node, message }) => {
      const shard = kind === "shard.duplicated" && /^shard (\d+) /.exec(message)?.[1];
      return shard ? [`${campaign}/${job}/${shard} ${node}`] : [];
    }),
  );
  const failed = new Set<string>();
  const done = new Map<string, string>();
  for (const { kind, key, value } of changes) {
    const [folder, campaign, job, shard, fence] = key.split("/");
    const name = `${campaign}/${job}/${Number(shard)}`;
    if (kind === "put" && folder === "done") done.set(name, String(value?.["fence"]));
    if (kind === "put" && folder === "fail" && value?.["wentOn"] !== true) failed.add(`${name} ${fence}`);
  }
  const faults: string[] = [];
  for (const [shard, all] of groups(runs, ({ shard }) => shard)) {
    const left = all.filter(({ fence }) => !failed.has(`${shard} ${fence}`));
    const firsts = left.filter(({ agent }) => !seconds.has(`${shard} ${agent}`));
    const said = ({ fence, agent }: Run) => `${fence} on ${agent}`;
    if (new Set(firsts.map(({ fence }) => fence)).size > 1)
      faults.push(`${shard} was run as ${firsts.map(said).join(" and ")}`);
    for (const first of firsts)
      for (const second of left) {
        if (firsts.includes(second) || second.fence === first.fence) continue;
        const wentOn = first.removedMs === undefined || first.removedMs >= second.lastMs;
        if (done.get(shard) !== first.fence && !wentOn)
          faults.push(`${shard} was taken from ${said(first)}, which still ran, for ${said(second)}`);
      }
  }
  return faults;
}

/** Attempts of campaigns whose failure is stored, but for those that may fail: who did nothing wrong is charged nothing. */
export function failures(
  campaigns: readonly string[],
  changes: readonly Change[],
  mayFail: (value: Value) => boolean,
): string[] {
  return changes.flatMap(({ key, kind, rev, value = {} }) => {
    const [folder, campaign = ""] = key.split("/");
    const counts = kind === "put" && folder === "fail" && campaigns.includes(campaign) && !mayFail(value);
    return counts ? [`an attempt failed: ${key} at ${rev}, ${JSON.stringify(value)}`] : [];
  });
}

/** 1 */
function submitFaults({ changes, acknowledged }: History): string[] {
  const there = new Set<string>();
  const faults: string[] = [];
  for (const { key, kind, rev } of changes) {
    if (!key.startsWith("campaign/")) continue;
    const id = key.slice("campaign/".length);
    if (kind === "put") there.add(id);
    else if (there.delete(id)) faults.push(`campaign ${id} was removed at ${rev}`);
  }
  for (const id of acknowledged)
    if (!there.has(id)) faults.push(`campaign ${id} was acknowledged, and etcd has none`);
  return faults;
}

/** 2, 3, 4 */
function doneFaults({ changes, counted }: History): string[] {
  const faults: string[] = [];
  const open = new Set<string>();
  const sealed = new Set<string>();
  const done = new Map<string, string>();
  for (const { kind, key, rev, version, value } of changes) {
    const [folder, campaign, job, shard] = key.split("/");
    const of = `${campaign}/${job}`;
    if (folder === "gate" && kind === "put") open.add(of);
    if (folder === "gate" && kind === "delete") open.delete(of);
    if (folder === "job" && kind === "put" && value?.["manifestSha256"]) sealed.add(of);
    if (folder !== "done") continue;
    const name = `${of}/${Number(shard)}`;
    if (kind === "delete") {
      if (!sealed.has(of))
        faults.push(`done record ${name} was removed at ${rev}, before its job was sealed`);
      continue;
    }
    if (version !== 1) faults.push(`done record ${name} was written over at ${rev}`);
    else if (done.has(name)) faults.push(`shard ${name} has a second done record, at ${rev}`);
    if (!open.has(of)) faults.push(`done record ${name} was put at ${rev}, with its job's gate closed`);
    done.set(name, String(value?.["fence"]));
  }
  for (const [shard, fence] of counted) {
    const was = done.get(shard);
    if (was === undefined) faults.push(`${fence} counts for ${shard}, which never had a done record`);
    else if (was !== fence) faults.push(`${fence} counts for ${shard}, whose done record was of ${was}`);
  }
  return faults;
}

/** The epoch that led before a revision's own modifications; undefined: nobody. */
type Leading = { rev: number; epoch: number | undefined }[];

function leaders(changes: readonly Change[]): Leading {
  return changes
    .filter(({ key }) => key === "leader")
    .map(({ rev, kind, createRev }) => ({ rev, epoch: kind === "put" ? createRev : undefined }));
}

function leaderAt(leading: Leading, rev: number): number | undefined {
  let epoch: number | undefined;
  for (const step of leading) {
    if (step.rev >= rev) break;
    epoch = step.epoch;
  }
  return epoch;
}

/** 5 */
function leaderFaults(changes: readonly Change[]): string[] {
  const leading = leaders(changes);
  const faults: string[] = [];
  let highest = 0;
  for (const { epoch, rev } of leading) {
    if (epoch === undefined) continue;
    if (epoch < highest) faults.push(`epoch ${epoch} came after epoch ${highest}, at ${rev}`);
    highest = Math.max(highest, epoch);
  }
  for (const { key, rev } of changes) {
    if (key !== "leader" && leaderAt(leading, rev) === undefined)
      faults.push(`${key} was modified at ${rev}, while nobody led`);
  }
  return faults;
}

/** 6 */
function writeFaults(changes: readonly Change[], writes: readonly Write[]): string[] {
  const leading = leaders(changes);
  const faults: string[] = [];
  const leads = new Map<number, string>();
  for (const { acquires, rev, by } of writes) if (acquires) leads.set(rev, by);
  const revisions = new Map(writes.map((write) => [write.rev, write]));
  for (const { rev, by, epoch, acquires, puts, deletes } of writes) {
    if (acquires) continue;
    const what = `${by} wrote ${puts.slice(0, 3).join(", ") || (deletes ? "a removal" : "nothing")} at ${rev}`;
    const now = leaderAt(leading, rev);
    if (epoch === undefined) faults.push(`${what} without comparing the leader`);
    else if (epoch !== now) faults.push(`${what} under epoch ${epoch}, while ${now ?? "nobody"} led`);
    else if (leads.get(epoch) !== by) faults.push(`${what} under the epoch ${epoch} of ${leads.get(epoch)}`);
  }
  for (const { rev, key, kind } of changes) {
    // The end of its lease removes the leader key; nobody asks for that.
    if (key === "leader" && kind === "delete") continue;
    const write = revisions.get(rev);
    if (write === undefined) faults.push(`nobody asked for the change of ${key} at ${rev}`);
    else if (kind === "put" && !write.puts.includes(key))
      faults.push(`${write.by} did not ask for ${key} at ${rev}`);
  }
  return faults;
}

/** 7 */
function fenceFaults(changes: readonly Change[]): string[] {
  const leading = leaders(changes);
  const epochs = new Set(leading.flatMap(({ epoch }) => (epoch === undefined ? [] : [epoch])));
  return changes.flatMap(({ key, kind, rev, value }) => {
    const fence = kind === "put" && key.startsWith("done/") ? value?.["fence"] : undefined;
    if (typeof fence !== "string") return [];
    const epoch = Number(fence.split(".")[0]);
    if (!epochs.has(epoch)) return [`the done record ${key} is of ${fence}, an epoch of nobody`];
    return epoch > (leaderAt(leading, rev) ?? 0)
      ? [`the done record ${key} of ${fence} came before that epoch`]
      : [];
  });
}

const RANKS = ["SUBMITTED", "PLANNED", "RUNNING", "PAUSED", "SEALING"];
const ENDED = RANKS.length;
const rankOf = (state: string): number => {
  const rank = RANKS.indexOf(state.toUpperCase());
  // Pausing and going on may follow one another.
  return rank < 0 ? ENDED : rank === RANKS.indexOf("PAUSED") ? RANKS.indexOf("RUNNING") : rank;
};

/** 8 */
function stateFaults(changes: readonly Change[]): string[] {
  const last = new Map<string, string>();
  return changes.flatMap(({ key, rev, value }) => {
    const state = (value?.["state"] as { kind?: string } | undefined)?.kind;
    if (!key.startsWith("campaign/") || state === undefined) return [];
    const before = last.get(key) ?? "SUBMITTED";
    last.set(key, state);
    const back = rankOf(state) < rankOf(before) || (rankOf(before) === ENDED && state !== before);
    return back ? [`${key} went from ${before} to ${state} at ${rev}`] : [];
  });
}

const KINDS =
  /^campaign\.(submitted|planned|running|paused|resumed|sealing|succeeded|partial|failed|cancelled)$/;

/** 9 */
function eventFaults(events: readonly SeenEvent[]): string[] {
  const faults: string[] = [];
  for (const [epoch, seen] of groups(events, (event) => event.epoch)) {
    seen.forEach(({ seq, kind }, i) => {
      const before = seen[i - 1]?.seq ?? 0;
      if (seq !== before + 1) faults.push(`event ${seq} (${kind}) of epoch ${epoch} came after ${before}`);
    });
  }
  let highest = 0n;
  for (const { epoch, seq } of events) {
    if (BigInt(epoch) < highest) faults.push(`event ${seq} of epoch ${epoch} came after epoch ${highest}`);
    else highest = BigInt(epoch);
  }
  for (const [campaign, seen] of groups(events, (event) => event.campaign)) {
    if (campaign === "") continue;
    let rank = 0;
    let of = "";
    for (const { kind, epoch, seq } of seen) {
      const state = KINDS.exec(kind)?.[1];
      const ended = rank === ENDED;
      if (ended && kind.startsWith("shard."))
        faults.push(`${kind} of ${campaign} came after its end, as ${seq}`);
      if (state === undefined) continue;
      const next = rankOf(state === "resumed" ? "running" : state);
      // A later leader says again where a campaign stands; an end it does not take back.
      if (ended || (epoch === of && next < rank))
        faults.push(`${kind} of ${campaign} came as ${seq} of epoch ${epoch}, which is back`);
      rank = next;
      of = epoch;
    }
  }
  return faults;
}

/** 10 */
function deviceFaults({ spans, slots }: History): string[] {
  const faults: string[] = [];
  for (const [where, there] of groups(spans, (s) => `${s.lane} of ${s.agent}, start ${s.incarnation}`)) {
    const most = slots(there[0]?.lane ?? "");
    const steps = there.flatMap((span) => [
      { atNs: span.fromNs, more: 1, span },
      { atNs: span.toNs, more: -1, span },
    ]);
    // Who ends makes room for who begins at the same instant.
    steps.sort((a, b) => a.atNs - b.atNs || a.more - b.more);
    const on = new Set<Span>();
    for (const { more, span } of steps) {
      if (more < 0) on.delete(span);
      else on.add(span);
      if (more > 0 && on.size > most) {
        const names = [...on].map(({ fence, shard }) => `${fence} (${shard})`).join(", ");
        faults.push(`${where}: ${on.size} attempts at once of ${most}: ${names}`);
      }
    }
  }
  return faults;
}

function groups<T>(all: readonly T[], name: (one: T) => string): Map<string, T[]> {
  const found = new Map<string, T[]>();
  for (const one of all) {
    const group = found.get(name(one));
    if (group) group.push(one);
    else found.set(name(one), [one]);
  }
  return found;
}
