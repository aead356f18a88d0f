/**
 * Sweeping the artifact store: records of attempts that lost (superseded, or late for a job that was sealed) are removed,
 * and what uploads that were cut off left.
 *
 * 1. Nothing that counts is removed. A job is swept only by its manifest, which is written when the job's gate is gone: no
 *    result of that job can be committed any more, so what the manifest does not name never will be.
 * 2. Only records files of attempts are removed; what has another name is left alone.
 * 3. A manifest that cannot be read sweeps nothing. Whatever fails is tried again in the next round.
 *
 * A campaign is swept a while after its end, when most late results have come, and again after a week, for those that
 * came when an agent was back; by a leader that did not see the first time, again.
 */
import { type Artifacts, recordsKey } from "../../shared/artifacts/store.js";
import type { Clock } from "../../shared/runtime/clock.js";
import { errorText } from "../../shared/runtime/errors.js";
import type { Logger } from "../../shared/runtime/logger.js";
import { decode, keys } from "../store/keys.js";
import type { StateStore } from "../store/store.js";
import { type Board, isEnded } from "./board.js";
import { readManifest } from "./manifest.js";

export interface SweepParts {
  artifacts: Artifacts;
  state: Pick<StateStore, "list">;
  board: Board;
  clock: Clock;
  log: Logger;
}

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const FIRST_MS = 10 * MINUTE_MS;
const AGAIN_MS = 7 * DAY_MS;
/** Older campaigns were swept by leaders before. */
const OLDEST_MS = 9 * DAY_MS;
/** An upload takes minutes; a day leaves room for clocks that disagree. */
const LEFTOVER_MS = DAY_MS;

export class Sweeper {
  /** How old a campaign's end was when it was swept, ms. */
  private readonly swept = new Map<string, number>();
  private leftoversAtMs = Number.NEGATIVE_INFINITY;
  private running = false;

  constructor(private readonly parts: SweepParts) {}

  /** One round, of what is due, until `signal` aborts; nothing while one is under way. Never rejects. */
  async round(signal: AbortSignal): Promise<void> {
    if (this.running) return;
    this.running = true;
    try {
      for (const [campaign, ageMs] of this.due()) {
        if (signal.aborted) return;
        if (await this.tried(`sweeping ${campaign}`, () => sweepCampaign(this.parts, campaign, signal)))
          this.swept.set(campaign, ageMs);
      }
      const { clock, artifacts } = this.parts;
      if (signal.aborted || clock.nowMs() < this.leftoversAtMs + DAY_MS) return;
      if (await this.tried("removing leftovers", () => artifacts.removeLeftovers(LEFTOVER_MS)))
        this.leftoversAtMs = clock.nowMs();
    } finally {
      this.running = false;
    }
  }

  private due(): [campaign: string, ageMs: number][] {
    const { board, clock } = this.parts;
    return board.list().flatMap(({ value: { id, state }, endedMs }) => {
      if (!isEnded(state) || endedMs === undefined) return [];
      const ageMs = clock.wallMs() - endedMs;
      if (ageMs > OLDEST_MS) this.swept.delete(id);
      if (ageMs < FIRST_MS || ageMs > OLDEST_MS) return [];
      const last = this.swept.get(id);
      const isDue = last === undefined || (last < AGAIN_MS && ageMs >= AGAIN_MS);
      return isDue ? [[id, ageMs] as [string, number]] : [];
    });
  }

  private async tried(what: string, work: () => Promise<number>): Promise<boolean> {
    const { log } = this.parts;
    try {
      const removed = await work();
      if (removed > 0) log.info({ removed }, `${what}: done`);
      return true;
    } catch (error) {
      log.warn({ reason: errorText(error) }, `${what} failed; trying again later`);
      return false;
    }
  }
}

/** Removes the records of a campaign's attempts that lost, of its sealed jobs; answers how many. Throws when `signal` aborts. */
async function sweepCampaign(parts: SweepParts, campaign: string, signal: AbortSignal): Promise<number> {
  const { artifacts, state, clock } = parts;
  let removed = 0;
  const folder = keys.jobsOf(campaign);
  for await (const { kvs } of state.list(folder)) {
    for (const kv of kvs) {
      const { id: job, manifestSha256 } = decode(folder.codec, kv);
      if (manifestSha256 === undefined) continue;
      const kept = new Set<string>();
      for (const [, done] of await readManifest(artifacts, manifestSha256, clock)) {
        if (done.kind === "result") kept.add(done.uri);
      }
      for await (const key of artifacts.list(`run/${campaign}/${job}/`)) {
        signal.throwIfAborted();
        if (kept.has(key) || !isRecords(key, campaign, job)) continue;
        await artifacts.remove(key);
        removed += 1;
      }
    }
  }
  return removed;
}

/** Invariant 2. */
function isRecords(key: string, campaign: string, job: string): boolean {
  const [, , , shard = "", fence = ""] = key.split("/");
  return (
    /^\d+$/.test(shard) && /^\d+\.\d+$/.test(fence) && key === recordsKey(campaign, job, Number(shard), fence)
  );
}
