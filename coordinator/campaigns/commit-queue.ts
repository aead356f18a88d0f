/**
 * Group commit of done records. Results that arrive within a few ms share one transaction, which compares the leader,
 * the gates and that no shard is done yet; losers are dropped with their verdict and the rest is sent once more.
 *
 * 1. The first commit for a shard wins, whatever its fence.
 * 2. Nothing commits once the gate it was assigned under is gone.
 * 3. After an unknown outcome the same records are sent until answered; a done key that holds our fence is success.
 */
import type { Clock } from "../../shared/runtime/clock.js";
import { errorText } from "../../shared/runtime/errors.js";
import type { Logger } from "../../shared/runtime/logger.js";
import type { Meter } from "../metrics.js";
import { absent, type Conflict, createdAt, type FencedStore, put } from "../store/fenced-store.js";
import { decode, keys } from "../store/keys.js";
import type { DoneValue } from "../store/values.js";
import type { ShardKey } from "./board.js";

export type Verdict = "COMMITTED" | "SUPERSEDED" | "CLOSED";

interface Waiting {
  shard: ShardKey;
  gate: bigint;
  value: DoneValue;
  resolve(verdict: Verdict): void;
  reject(error: unknown): void;
}

/** With the leader compare and one gate each in the worst case, 2 × 60 + 1 stays below the store's 128. */
const MAX_BATCH = 60;
const RETRY_MS = 200;

export class CommitQueue {
  private waiting: Waiting[] = [];
  private timer: (() => void) | undefined;
  private writing = Promise.resolve();

  constructor(
    private readonly store: FencedStore,
    private readonly clock: Clock,
    private readonly intervalMs: number,
    private readonly metrics: Meter,
    private readonly log: Logger,
  ) {}

  /** Resolves when the record is durable or has lost; rejects when this coordinator does not lead any more. */
  commit(shard: ShardKey, gate: bigint, value: DoneValue): Promise<Verdict> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ shard, gate, value, resolve, reject });
      if (this.waiting.length >= MAX_BATCH) this.flush();
      else this.timer ??= this.clock.after(this.intervalMs, () => this.flush());
    });
  }

  /** Resolves when everything handed in so far is answered. */
  async drained(): Promise<void> {
    this.flush();
    await this.writing;
  }

  private flush(): void {
    this.timer?.();
    this.timer = undefined;
    const batch = this.waiting.splice(0);
    if (batch.length === 0) return;
    this.writing = this.writing.then(() => this.write(batch));
  }

  private async write(batch: Waiting[]): Promise<void> {
    let rest = batch;
    while (rest.length > 0) {
      try {
        rest = onePerShard(rest, (late) => late.resolve("SUPERSEDED"));
        const startMs = this.clock.nowMs();
        const answer = await this.store.commit({
          compare: [
            ...unique(rest.map((w) => createdAt(keys.gate(w.shard.campaign, w.shard.job), w.gate))),
            ...rest.map((w) => absent(doneKey(w.shard))),
          ],
          ops: rest.map((w) => put(doneKey(w.shard), w.value)),
        });
        this.metrics.observeStoreTxn(answer.kind, (this.clock.nowMs() - startMs) / 1000);
        if (answer.kind === "committed") {
          for (const w of rest) w.resolve("COMMITTED");
          return;
        }
        if (answer.kind === "deposed") throw new Error("this coordinator no longer leads");
        if (answer.kind === "conflict") rest = settle(rest, answer.conflicts);
        else {
          this.log.warn({ cause: errorText(answer.cause) }, "outcome of a commit unknown, sending it again");
          await this.clock.sleep(RETRY_MS, this.store.lost);
        }
      } catch (error) {
        for (const w of rest) w.reject(error);
        return;
      }
    }
  }
}

const doneKey = (s: ShardKey) => keys.done(s.campaign, s.job, s.index);

/** A key may stand once in a transaction: of two results for one shard the first goes in. */
function onePerShard(batch: Waiting[], drop: (late: Waiting) => void): Waiting[] {
  const first = new Map<string, Waiting>();
  for (const w of batch) {
    const key = doneKey(w.shard).key;
    if (first.has(key)) drop(w);
    else first.set(key, w);
  }
  return [...first.values()];
}

function unique<T extends { key: string; operand: bigint }>(compares: T[]): T[] {
  return [...new Map(compares.map((c) => [`${c.key}=${c.operand}`, c])).values()];
}

/** Answers those whose gate or done key was not as expected; returns the others. */
function settle(batch: Waiting[], conflicts: Conflict[]): Waiting[] {
  const found = new Map(conflicts.map((c) => [c.key, c.kv]));
  return batch.filter((w) => {
    const done = doneKey(w.shard);
    if (found.has(done.key)) {
      const kv = found.get(done.key);
      const holder = kv === undefined ? undefined : decode(done.codec, kv);
      w.resolve(holder && sameResult(holder, w.value) ? "COMMITTED" : "SUPERSEDED");
      return false;
    }
    const gate = keys.gate(w.shard.campaign, w.shard.job).key;
    if (found.has(gate) && found.get(gate)?.createRev !== w.gate) {
      w.resolve("CLOSED");
      return false;
    }
    return true;
  });
}

const sameResult = (a: DoneValue, b: DoneValue): boolean =>
  a.kind === "result" && b.kind === "result" ? a.fence === b.fence : a.kind === b.kind;
