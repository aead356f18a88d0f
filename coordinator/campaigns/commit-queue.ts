/**
 * Group commit of shard records. What arrives within a few ms shares a transaction, which compares the leader, the gates
 * and that no shard is done yet; losers get their verdict and the rest is sent once more. Several transactions may be on
 * their way at once.
 *
 * 1. The first commit for a shard wins, whatever its fence.
 * 2. Nothing commits once the gate it was assigned under is gone.
 * 3. After an unknown outcome the same records are sent until answered; a done key that holds our record is success.
 * 4. A store that is away or full is waited for as long as we lead: nobody is told a verdict that is not durable, and
 *    nothing fails because of it. Results that wait are bounded; beyond that agents keep them. What we say ourselves
 *    (failures, splits) is at most one an attempt that is on an agent, and always taken: nobody would say it again.
 * 5. Of two records for one shard the later one is answered after the earlier one is.
 */
import { backoffMs } from "../../shared/runtime/backoff.js";
import type { Clock } from "../../shared/runtime/clock.js";
import { Company } from "../../shared/runtime/company.js";
import { errorText, SaiError } from "../../shared/runtime/errors.js";
import type { Logger } from "../../shared/runtime/logger.js";
import type { Random } from "../../shared/runtime/random.js";
import type { Meter } from "../metrics.js";
import { absent, type CommitResult, type Conflict, type FencedStore, put } from "../store/fenced-store.js";
import { decode, type Key, keys } from "../store/keys.js";
import { type Cmp, isStoreError, MAX_TXN_OPS, type Op } from "../store/store.js";
import type { DoneValue } from "../store/values.js";
import type { ShardKey } from "./board.js";

export type Verdict = "COMMITTED" | "SUPERSEDED" | "CLOSED";

/** Records of one shard that are written together or not at all. */
export interface Commit {
  shard: ShardKey;
  /** Create revision of the gate they were made under. */
  gate: bigint;
  /** The shard's done record; without one only `also` is written. */
  done?: DoneValue;
  /** Further puts: the records of a split's children, a failure. */
  also?: Op[];
}

export interface CommitQueueParts {
  store: Pick<FencedStore, "commit" | "lost">;
  clock: Clock;
  random: Random;
  metrics: Pick<Meter, "observeStoreTxn">;
  log: Logger;
}

export interface CommitQueueOptions {
  /** How long a record waits for others at most, ms; a lone one waits for none. */
  intervalMs: number;
  /** Transactions on their way at once. */
  inFlight?: number;
  /** Records that may wait. */
  maxWaiting?: number;
}

interface Waiting {
  doneKey: Key<DoneValue> | undefined;
  done: DoneValue | undefined;
  gateKey: string;
  gate: bigint;
  puts: Op[];
  resolve(verdict: Verdict): void;
  reject(error: unknown): void;
  /** Later ones for the same shard; answered when this one is. */
  later?: Waiting[];
}

const IN_FLIGHT = 8;
const MAX_WAITING = 20_000;
const RETRY = { baseMs: 200, capMs: 5_000 };

export class CommitQueue {
  private queue: Waiting[] = [];
  private readonly byDoneKey = new Map<string, Waiting>();
  private size = 0;
  private inFlight = 0;
  private due = false;
  private cancelTimer: (() => void) | undefined;
  private readonly idle = new Set<() => void>();
  private away = false;
  private readonly company: Company;

  constructor(
    private readonly parts: CommitQueueParts,
    private readonly options: CommitQueueOptions,
  ) {
    this.company = new Company(options.intervalMs);
  }

  /** Resolves when the shard's done record is durable or has lost. Rejects as `write` does. */
  commit(shard: ShardKey, gate: bigint, done: DoneValue): Promise<Verdict> {
    return this.write({ shard, gate, done });
  }

  /**
   * Resolves when the records are durable or have lost. Rejects `unavailable` when this coordinator no longer leads, and
   * `resource_exhausted` for a result when too much waits already: whoever holds it keeps it and sends it again.
   */
  write({ shard, gate, done, also = [] }: Commit): Promise<Verdict> {
    if (this.parts.store.lost.aborted) return Promise.reject(notLeading());
    // Compared with 0 the store would say that a gate which is gone is as it should be.
    if (gate === 0n) return Promise.resolve("CLOSED");
    if (this.full && done?.kind === "result") return Promise.reject(tooMany(this.size));
    const { campaign, job, index } = shard;
    const gateKey = keys.gate(campaign, job).key;
    return new Promise((resolve, reject) => {
      this.size += 1;
      const doneKey = done && keys.done(campaign, job, index);
      const puts = doneKey && done ? [put(doneKey, done), ...also] : also;
      const waiting: Waiting = { doneKey, done, gateKey, gate, puts, resolve, reject };
      const earlier = doneKey && this.byDoneKey.get(doneKey.key);
      if (earlier === undefined) {
        if (doneKey) this.byDoneKey.set(doneKey.key, waiting);
        this.add(waiting);
      } else if (earlier.later === undefined) earlier.later = [waiting];
      else earlier.later.push(waiting);
    });
  }

  /** Whether no more results are taken for now. */
  get full(): boolean {
    return this.size >= (this.options.maxWaiting ?? MAX_WAITING);
  }

  /** Records that wait for their verdict. */
  get waiting(): number {
    return this.size;
  }

  /** Resolves when everything handed in so far is answered, or after `withinMs`. */
  drained(withinMs = 10_000): Promise<void> {
    this.due = true;
    this.send();
    if (this.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        cancel();
        this.idle.delete(end);
        resolve();
      };
      const cancel = this.parts.clock.after(withinMs, end);
      this.idle.add(end);
    });
  }

  private add(waiting: Waiting): void {
    this.queue.push(waiting);
    if (this.queue.length >= MAX_TXN_OPS - 2) this.send();
    else this.later(this.company.waitMs(this.parts.clock.nowMs()));
  }

  private later(waitMs: number): void {
    this.cancelTimer ??= this.parts.clock.after(waitMs, () => {
      this.cancelTimer = undefined;
      this.due = true;
      this.send();
    });
  }

  /** Sends what is due or fills a transaction, as far as transactions may be on their way. */
  private send(): void {
    const limit = this.options.inFlight ?? IN_FLIGHT;
    while (this.inFlight < limit && (this.due || this.queue.length >= MAX_TXN_OPS - 2)) {
      const batch = takeBatch(this.queue);
      if (this.queue.length === 0) this.due = false;
      if (batch.length === 0) return;
      this.inFlight += 1;
      void this.deliver(batch).finally(() => {
        this.inFlight -= 1;
        this.send();
      });
    }
    if (this.queue.length > 0 && !this.due) {
      this.later(this.options.intervalMs);
    }
  }

  /** Sends a batch until each of it is answered. */
  private async deliver(batch: Waiting[]): Promise<void> {
    let rest = batch;
    for (let failures = 0; rest.length > 0; ) {
      let answer: CommitResult;
      try {
        answer = await this.once(rest);
      } catch (error) {
        if (!isStoreError(error, "Unavailable") && !isStoreError(error, "NoSpace")) {
          // The store refuses a record for what it is; it must not take others with it.
          if (rest.length > 1) for (const alone of rest) await this.deliver([alone]);
          else for (const w of rest) this.fail(w, error);
          return;
        }
        answer = { kind: "unknown", cause: error };
      }
      if (answer.kind !== "unknown") this.back();
      if (answer.kind === "committed") {
        for (const w of rest) this.settle(w, "COMMITTED");
        return;
      }
      if (answer.kind === "conflict") {
        const left = this.settleConflicts(rest, answer.conflicts);
        if (left.length < rest.length) {
          rest = left;
          continue;
        }
      }
      const cause = answer.kind === "unknown" ? answer.cause : answer.kind;
      if (answer.kind === "deposed" || (await this.pause(failures, cause))) {
        for (const w of rest) this.fail(w, notLeading());
        return;
      }
      failures += 1;
    }
  }

  private async once(batch: readonly Waiting[]): Promise<CommitResult> {
    const { store, clock, metrics } = this.parts;
    const compare = new Map<string, Cmp>();
    const ops: Op[] = [];
    for (const { gateKey, gate, doneKey, puts } of batch) {
      compare.set(`${gateKey}=${gate}`, { key: gateKey, target: "create", op: "=", operand: gate });
      if (doneKey !== undefined) compare.set(doneKey.key, absent(doneKey));
      for (const op of puts) ops.push(op);
    }
    const startMs = clock.nowMs();
    const answer = await store.commit({ compare: [...compare.values()], ops });
    metrics.observeStoreTxn(answer.kind, (clock.nowMs() - startMs) / 1000);
    return answer;
  }

  /** Waits before the same records are sent again; true when we no longer lead. */
  private async pause(failures: number, cause: unknown): Promise<boolean> {
    const { clock, random, store, log } = this.parts;
    if (!this.away)
      log.warn({ cause: errorText(cause), waiting: this.size }, "results wait for the state store");
    this.away = true;
    await clock.sleep(RETRY.baseMs / 2 + backoffMs(failures, RETRY, random), store.lost).catch(() => {});
    return store.lost.aborted;
  }

  private back(): void {
    if (this.away) this.parts.log.info({ waiting: this.size }, "the state store answers again");
    this.away = false;
  }

  /** Answers those whose gate or done key was not as expected; returns the others. */
  private settleConflicts(batch: readonly Waiting[], conflicts: readonly Conflict[]): Waiting[] {
    const found = new Map(conflicts.map((c) => [c.key, c]));
    return batch.filter((w) => {
      const done = w.doneKey && found.get(w.doneKey.key);
      if (done !== undefined) {
        this.settle(w, isOurs(w, done) ? "COMMITTED" : "SUPERSEDED");
        return false;
      }
      const gate = found.get(w.gateKey);
      if (gate !== undefined && gate.kv?.createRev !== w.gate) {
        this.settle(w, "CLOSED");
        return false;
      }
      return true;
    });
  }

  private settle(w: Waiting, verdict: Verdict): void {
    const own = w.done?.kind === "result" ? w.done.fence : undefined;
    this.forget(w);
    w.resolve(verdict);
    for (const later of w.later ?? []) {
      const same = own !== undefined && later.done?.kind === "result" && later.done.fence === own;
      later.resolve(same || verdict === "CLOSED" ? verdict : "SUPERSEDED");
    }
  }

  private fail(w: Waiting, error: unknown): void {
    this.forget(w);
    for (const each of [w, ...(w.later ?? [])]) each.reject(error);
  }

  private forget(w: Waiting): void {
    if (w.doneKey !== undefined) this.byDoneKey.delete(w.doneKey.key);
    this.size -= 1 + (w.later?.length ?? 0);
    if (this.size > 0) return;
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    for (const end of this.idle) end();
  }
}

/** Takes from the front what fits into one transaction, beside the leader's compare. */
function takeBatch(queue: Waiting[]): Waiting[] {
  const gates = new Set<string>();
  let dones = 0;
  let puts = 0;
  let n = 0;
  for (const w of queue) {
    const gate = `${w.gateKey}=${w.gate}`;
    const compares = 1 + gates.size + Number(!gates.has(gate)) + dones + Number(w.doneKey !== undefined);
    if (n > 0 && (compares > MAX_TXN_OPS || puts + w.puts.length > MAX_TXN_OPS)) break;
    gates.add(gate);
    dones += Number(w.doneKey !== undefined);
    puts += w.puts.length;
    n += 1;
  }
  return queue.splice(0, n);
}

/** Whether the record found under a done key is the one we sent. */
function isOurs({ doneKey, done, puts }: Waiting, { kv }: Conflict): boolean {
  if (doneKey === undefined || done === undefined || kv === undefined) return false;
  if (done.kind === "result") {
    const holder = decode(doneKey.codec, kv);
    return holder.kind === "result" && holder.fence === done.fence;
  }
  const own = puts[0];
  return own !== undefined && "put" in own && Buffer.compare(own.put.value, kv.value) === 0;
}

const notLeading = () =>
  new SaiError("unavailable", "this coordinator no longer leads", { hint: "dial again: another one will" });

export const tooMany = (waiting: number) =>
  new SaiError("resource_exhausted", `${waiting} results wait for the state store already`, {
    hint: "keep the result and send it again later; look at the state store",
  });
