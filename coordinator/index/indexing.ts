/**
 * Keeping the index up with the campaigns that have ended; only the leader does. Nothing waits for it: whoever ends a
 * campaign does not know of it, and what is missing is found by comparing the board with what the index has.
 *
 * 1. A database that is away, full or slow delays the index and nothing else; what is behind is told.
 * 2. What cannot be read of a campaign keeps the others out for no longer than the try.
 * 3. A generation that is being built answers nothing before it has all that has ended.
 *
 * An index in this process (PGlite) works only when it is asked something, and is closed when nobody has asked for a
 * while: it would take processor time and memory from what is being measured beside it.
 */
import { isAway } from "../../shared/artifacts/store.js";
import { backoffMs } from "../../shared/runtime/backoff.js";
import type { Clock } from "../../shared/runtime/clock.js";
import { errorText, SaiError } from "../../shared/runtime/errors.js";
import type { Logger } from "../../shared/runtime/logger.js";
import type { Random } from "../../shared/runtime/random.js";
import { type Board, type CampaignEntry, isEnded } from "../campaigns/board.js";
import type { Metrics } from "../metrics.js";
import { StoreError } from "../store/store.js";
import { type SourceParts, sourceOf } from "./board-source.js";
import type { IndexCalls } from "./calls.js";
import type { IndexThread } from "./index-thread.js";
import type { Generations } from "./messages.js";
import { ingestCampaign } from "./source.js";

export interface IndexingParts extends SourceParts {
  board: Board;
  thread: Pick<IndexThread, "calls" | "isOpen" | "close">;
  /** Works all the time, not only when asked. */
  eager: boolean;
  /** Campaigns that ended longer ago are not in the index; undefined: all are. */
  retentionMs: number | undefined;
  metrics: Pick<Metrics, "setIndex" | "countIndexed">;
  clock: Clock;
  random: Random;
  log: Logger;
}

export interface IndexStatus {
  /** The database and its version; empty until it was reached. */
  database: string;
  /** closed: an embedded one that nobody asks. */
  state: "closed" | "current" | "behind" | "building" | "away";
  /** Ended campaigns that are not in what answers; undefined where nobody knows. */
  behind: number | undefined;
  generation: number;
  /** The generation that is being built; 0 if none is. */
  building: number;
  /** Campaigns it has, and those it will have. */
  built: number;
  toBuild: number;
  /** Why it does not go on; empty if it does. */
  problem: string;
}

/** How often it is looked whether there is something to do, ms. */
export const LOOK_MS = 2_000;
const RETRY = { baseMs: 1_000, capMs: 60_000 };
/** Campaigns that cannot be read are tried again after it, ms. */
const SKIP_MS = 3_600_000;
/** A question waits so long for what is missing, ms; then it is answered from what is there. */
const PATIENCE_MS = { eager: 3_000, asked: 20_000 };
/** An embedded index is closed when nobody has asked for so long, ms. */
const IDLE_MS = 300_000;

export class Indexing {
  private database = "";
  private generations: Generations | undefined;
  /** Campaigns that each generation has as a whole. */
  private readonly has = new Map<number, Set<string>>();
  private readonly skipped = new Map<string, { untilMs: number; reason: string }>();
  private failures = 0;
  private problem = "";
  private notBeforeMs = 0;
  private askedMs = Number.NEGATIVE_INFINITY;
  private running: Promise<void> | undefined;
  private opening: Promise<void> | undefined;
  /** It is being closed. */
  private leaving = false;
  /** What it has is to be asked again: something failed since. */
  private stale = false;
  private readonly stopping = new AbortController();

  constructor(private readonly parts: IndexingParts) {}

  /** Called every LOOK_MS. */
  look(): void {
    const { clock, eager, thread } = this.parts;
    this.show();
    if (this.stopping.signal.aborted || this.running || clock.nowMs() < this.notBeforeMs) return;
    const isAsked = clock.nowMs() < this.askedMs + IDLE_MS;
    if (!eager && !isAsked) {
      if (thread.isOpen) this.run(async () => this.letGo());
    } else if (this.generations === undefined || this.isMissing()) this.run(() => this.round());
  }

  /** Asks the generation that answers. Waits a while for what is missing; `behind` says what still is. */
  async ask<T>(
    question: (calls: IndexCalls, generation: number) => Promise<T>,
  ): Promise<{ answer: T; behind: number }> {
    const { clock, thread } = this.parts;
    this.refuseStopped();
    this.askedMs = clock.nowMs();
    if (this.generations === undefined || this.isMissing()) await this.patiently();
    this.refuseStopped();
    if (this.generations === undefined || !thread.isOpen) await this.open();
    const answer = await question(thread.calls, this.generations?.current ?? 0);
    return { answer, behind: this.behind() ?? 0 };
  }

  /** Begins to build the index anew beside the one that answers; answers the new one's number. */
  async reindex(): Promise<number> {
    this.refuseStopped();
    this.askedMs = this.parts.clock.nowMs();
    await this.open();
    const building = await this.parts.thread.calls.beginGeneration();
    if (this.generations) this.generations = { ...this.generations, building };
    this.skipped.clear();
    this.notBeforeMs = 0;
    this.look();
    return building;
  }

  status(): IndexStatus {
    const { current = 0, building } = this.generations ?? {};
    const behind = this.behind();
    const skipped = [...this.skipped.values()].map(({ reason }) => reason).join("; ");
    const isOpen = this.generations !== undefined && this.parts.thread.isOpen;
    const state =
      this.problem !== ""
        ? "away"
        : !isOpen
          ? this.parts.eager || this.running
            ? "behind"
            : "closed"
          : building !== undefined
            ? "building"
            : behind === 0
              ? "current"
              : "behind";
    return {
      ...{ database: this.database, state, behind, generation: current, building: building ?? 0 },
      built: building === undefined ? 0 : (this.has.get(building)?.size ?? 0),
      toBuild: building === undefined ? 0 : this.wanted().length,
      problem: this.problem || skipped,
    };
  }

  /** Ends what is under way; what it had begun goes on from there at the next start. */
  async stop(): Promise<void> {
    this.stopping.abort(new SaiError("unavailable", "this coordinator stops, or leads no more"));
    const closing = this.parts.thread.close();
    await this.running?.catch(() => {});
    await closing;
  }

  private run(work: () => Promise<void>): void {
    this.running ??= work()
      .then(
        () => this.went(),
        (error: unknown) => this.failed(error),
      )
      .finally(() => {
        this.running = undefined;
        this.show();
      });
  }

  /** Everything that has ended comes in, and what is gone goes. */
  private async round(): Promise<void> {
    await this.open();
    const { signal } = this.stopping;
    const { calls } = this.parts.thread;
    for (;;) {
      const target = this.generations?.building ?? this.generations?.current ?? 0;
      const has = await this.hasOf(target);
      await this.removeGone(target, has);
      for (const entry of this.missing(has)) {
        signal.throwIfAborted();
        await this.ingest(target, entry);
      }
      // More may have ended, or a rebuild may have begun, meanwhile (invariant 3).
      if (this.missing(has).length > 0 || (this.generations?.building ?? target) !== target) continue;
      if (this.generations?.building === undefined) return;
      await calls.switchGeneration(target);
      this.parts.log.info({ generation: target }, "the results index was built anew");
      this.has.delete(this.generations.current);
      this.generations = { current: target, building: undefined };
      await calls.tidy();
    }
  }

  private async ingest(generation: number, entry: CampaignEntry): Promise<void> {
    const { clock, log, metrics, thread } = this.parts;
    const { id } = entry.value;
    const startMs = clock.nowMs();
    try {
      const source = await sourceOf(this.parts, entry);
      const { records, problem } = await ingestCampaign(
        thread.calls,
        generation,
        source,
        isPassing,
        this.stopping.signal,
      );
      this.has.get(generation)?.add(id);
      metrics.countIndexed(records);
      const facts = { campaign: id, records, ms: Math.round(clock.nowMs() - startMs) };
      if (problem === "") log.info(facts, "a campaign is in the results index");
      else log.warn({ ...facts, problem }, "a campaign is in the results index, but for what cannot be read");
    } catch (error) {
      if (isPassing(error) || this.stopping.signal.aborted) throw error;
      const reason = `${id}: ${errorText(error)}`;
      log.error(
        { err: error, campaign: id },
        "a campaign does not come into the results index; tried again in an hour",
      );
      this.skipped.set(id, { untilMs: clock.nowMs() + SKIP_MS, reason });
    }
  }

  /** Rows of campaigns that were deleted, or ended too long ago. */
  private async removeGone(generation: number, has: Set<string>): Promise<void> {
    const { board, log, thread } = this.parts;
    const gone = [...has].filter((id) => {
      const entry = board.campaign(id);
      return entry === undefined || this.isExpired(entry);
    });
    for (const id of gone) {
      this.stopping.signal.throwIfAborted();
      await thread.calls.forgetCampaign(generation, id);
      has.delete(id);
    }
    if (gone.length === 0) return;
    log.info({ campaigns: gone.length }, "campaigns that are gone or expired have left the results index");
    await thread.calls.tidy();
  }

  private open(): Promise<void> {
    this.opening ??= this.openOnce().finally(() => {
      this.opening = undefined;
    });
    return this.opening;
  }

  private async openOnce(): Promise<void> {
    const wasOpen = this.parts.thread.isOpen;
    const { version, generations } = await this.parts.thread.calls.open();
    this.database = version;
    if (wasOpen && this.generations !== undefined && !this.stale) return;
    this.stale = false;
    this.has.clear();
    this.generations = generations;
    await this.hasOf(generations.current);
  }

  private async hasOf(generation: number): Promise<Set<string>> {
    const has =
      this.has.get(generation) ?? new Set(await this.parts.thread.calls.ingestedCampaigns(generation));
    this.has.set(generation, has);
    return has;
  }

  private async letGo(): Promise<void> {
    this.generations = undefined;
    this.has.clear();
    this.leaving = true;
    await this.parts.thread.close();
    this.leaving = false;
  }

  /** Waits for a round, but not for ever; what it fails with is told by what is asked next, if it matters. */
  private async patiently(): Promise<void> {
    const { clock, eager } = this.parts;
    if (this.leaving) await this.running;
    // What there is must be there before what is missing is waited for.
    if (!eager) await this.open();
    if (clock.nowMs() >= this.notBeforeMs) this.run(() => this.round());
    const over = new AbortController();
    const patience = clock.sleep(eager ? PATIENCE_MS.eager : PATIENCE_MS.asked, over.signal).catch(() => {});
    await Promise.race([this.running, patience]);
    over.abort();
  }

  private refuseStopped(): void {
    if (this.stopping.signal.aborted) throw this.stopping.signal.reason;
  }

  private went(): void {
    if (this.problem !== "") this.parts.log.info("the results index goes on");
    this.failures = 0;
    this.problem = "";
  }

  private failed(error: unknown): void {
    if (this.stopping.signal.aborted) return;
    const { clock, log, random, thread } = this.parts;
    const problem = errorText(error);
    if (problem !== this.problem) log.warn({ reason: problem }, "the results index is behind; trying again");
    this.problem = problem;
    this.notBeforeMs = clock.nowMs() + backoffMs(this.failures, RETRY, random);
    this.failures += 1;
    this.stale = true;
    if (!thread.isOpen) this.generations = undefined;
  }

  /** Campaigns that should be in it. */
  private wanted(): CampaignEntry[] {
    return this.parts.board.list().filter((entry) => isEnded(entry.value.state) && !this.isExpired(entry));
  }

  /** Those that a round has to bring in, oldest end first. */
  private missing(has: ReadonlySet<string>): CampaignEntry[] {
    return this.wanted()
      .filter((entry) => !has.has(entry.value.id) && !this.isSkipped(entry))
      .sort((a, b) => (a.endedMs ?? 0) - (b.endedMs ?? 0) || (a.value.id < b.value.id ? -1 : 1));
  }

  private isExpired({ endedMs }: CampaignEntry): boolean {
    const { clock, retentionMs } = this.parts;
    return retentionMs !== undefined && endedMs !== undefined && clock.wallMs() - endedMs > retentionMs;
  }

  private isSkipped({ value }: CampaignEntry): boolean {
    const skipped = this.skipped.get(value.id);
    if (skipped === undefined) return false;
    if (this.parts.clock.nowMs() < skipped.untilMs) return true;
    this.skipped.delete(value.id);
    return false;
  }

  /** Whether there is something for a round to do. */
  private isMissing(): boolean {
    const { generations } = this;
    if (generations === undefined || generations.building !== undefined) return true;
    const has = this.has.get(generations.current);
    if (has === undefined) return true;
    const here = this.wanted().filter(({ value }) => has.has(value.id)).length;
    return here < has.size || this.missing(has).length > 0;
  }

  private behind(): number | undefined {
    const has = this.generations && this.has.get(this.generations.current);
    if (has === undefined && !this.parts.eager) return undefined;
    return this.wanted().filter(({ value }) => !has?.has(value.id)).length;
  }

  private show(): void {
    const { behind, state } = this.status();
    this.parts.metrics.setIndex({ behind, isAway: state === "away" });
  }
}

/** Of errors of reading and writing: whether the next try may go better. */
const isPassing = (error: unknown): boolean => isAway(error) || error instanceof StoreError;
