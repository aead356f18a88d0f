/**
 * What the state store keeps of the fleet: each node's last transition, its cordon, labels and quarantine, and the inventories by
 * hash, so that a later leader knows whom to wait for and need not ask for what it knew.
 *
 * 1. Off the work path: a store that stalls delays these records and nothing else.
 * 2. One write at a time, each with what is true when it is made: a later one never loses to an earlier one.
 * 3. Many changes are one transaction, and only READY, DRAINING and LOST are worth one.
 * 4. What cannot be written holds up nothing else: a batch that is refused is sent again one by one. What no store would
 *    ever take is dropped and said; what there is no room for waits until there is.
 */
import type { Json } from "../../shared/benchmark/json.js";
import { Inventory } from "../../shared/gen/sai/v1/node.js";
import type { Clock } from "../../shared/runtime/clock.js";
import { errorText, SaiError } from "../../shared/runtime/errors.js";
import type { Logger } from "../../shared/runtime/logger.js";
import { write } from "../campaigns/parts.js";
import { del, type FencedStore, put } from "../store/fenced-store.js";
import { keys } from "../store/keys.js";
import { isStoreError, MAX_TXN_BYTES, type Op } from "../store/store.js";
import type { NodeEntry } from "./fleet.js";

const DELAY_MS = 100;
const RETRY_MS = 1000;
const STOP_MS = 1000;
const OPS_AT_ONCE = 100;
/** The rest is for the keys that are compared. */
const BYTES_AT_ONCE = MAX_TXN_BYTES / 2;

interface Change {
  op(): Op;
  /** Who waits for it. */
  done: ((error?: unknown) => void)[];
}

interface Taken {
  key: string;
  change: Change;
  /** As it was when it was taken. */
  op: Op;
}

export class FleetRecords {
  private readonly changes = new Map<string, Change>();
  private cancelTimer: (() => void) | undefined;
  private writing: Promise<void> | undefined;
  private stopped = false;

  constructor(
    private readonly store: FencedStore,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  /** Will write the node as it is when the write is made. */
  noteNode(node: NodeEntry): void {
    this.change(keys.agent(node.id).key, () => put(keys.agent(node.id), recordOf(node, this.clock)));
  }

  /** Will write what the node is blamed for as it is when the write is made. */
  noteQuarantine(node: NodeEntry): void {
    this.change(keys.quarantine(node.id).key, () => quarantineOp(node));
  }

  /** The same; resolves when it is written. */
  quarantineSaved(node: NodeEntry): Promise<void> {
    this.noteQuarantine(node);
    return this.waitFor(keys.quarantine(node.id).key);
  }

  noteInventory(hash: string, inventory: Inventory): void {
    const value = { inventory: Inventory.toJSON(inventory) as Json };
    this.change(keys.inventory(hash).key, () => put(keys.inventory(hash), value));
  }

  forgetInventory(hash: string): void {
    this.change(keys.inventory(hash).key, () => del(keys.inventory(hash)));
  }

  /** Resolves when the node is written as it is now; rejects when this coordinator no longer leads. */
  saved(node: NodeEntry): Promise<void> {
    this.noteNode(node);
    return this.waitFor(keys.agent(node.id).key);
  }

  /** Resolves when the node's record is gone. */
  removed(id: string): Promise<void> {
    this.change(keys.agent(id).key, () => del(keys.agent(id)));
    this.change(keys.quarantine(id).key, () => del(keys.quarantine(id)));
    return this.waitFor(keys.agent(id).key);
  }

  /** Writes what waits, if the store takes it at once, and nothing more. */
  async stop(): Promise<void> {
    this.flush();
    this.stopped = true;
    this.cancelTimer?.();
    await Promise.race([this.writing, this.clock.sleep(STOP_MS, this.store.lost).catch(() => {})]);
  }

  private waitFor(key: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.changes.get(key)?.done.push((error) => (error === undefined ? resolve() : reject(error)));
      this.flush();
    });
  }

  private change(key: string, op: () => Op): void {
    this.changes.set(key, { op, done: this.changes.get(key)?.done ?? [] });
    if (!this.stopped) this.cancelTimer ??= this.clock.after(DELAY_MS, () => this.flush());
  }

  private flush(): void {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    if (this.writing !== undefined || this.stopped) return;
    this.writing = this.writeAll().finally(() => {
      this.writing = undefined;
      if (this.changes.size > 0 && !this.stopped)
        this.cancelTimer ??= this.clock.after(DELAY_MS, () => this.flush());
    });
  }

  private async writeAll(): Promise<void> {
    while (this.changes.size > 0 && !this.stopped) {
      const some = this.take();
      const left = await this.writeSome(some);
      if (left === undefined) continue;
      this.putBack(left.some, left.error);
      if (this.store.lost.aborted) return;
      await this.clock.sleep(RETRY_MS, this.store.lost).catch(() => {});
    }
  }

  /** Changes for one transaction, taken out; those that somebody waits for first. */
  private take(): Taken[] {
    const waiting = [...this.changes].sort(([, a], [, b]) => waits(b) - waits(a));
    const some: Taken[] = [];
    let bytes = 0;
    for (const [key, change] of waiting) {
      const op = change.op();
      bytes += key.length + ("put" in op ? op.put.value.length : 0);
      if (some.length > 0 && (some.length === OPS_AT_ONCE || bytes > BYTES_AT_ONCE)) break;
      this.changes.delete(key);
      some.push({ key, change, op });
    }
    return some;
  }

  /** What could not be written and must be tried again, with the reason (invariant 4). */
  private async writeSome(some: Taken[]): Promise<{ some: Taken[]; error: unknown } | undefined> {
    try {
      await write({ store: this.store, clock: this.clock }, { ops: some.map(({ op }) => op) });
      for (const { change } of some) for (const answer of change.done) answer();
      return undefined;
    } catch (error) {
      const alone = some.length === 1;
      if (alone && isNeverWritten(error)) this.drop(some, error);
      else if (alone || !(isNeverWritten(error) || isFull(error))) return { some, error };
      else {
        const left: Taken[] = [];
        let cause: unknown;
        for (const one of some) {
          const again = await this.writeSome([one]);
          if (again) left.push(one);
          cause = again?.error ?? cause;
        }
        return left.length === 0 ? undefined : { some: left, error: cause };
      }
      return undefined;
    }
  }

  private drop(some: Taken[], error: unknown): void {
    for (const { key, change } of some) {
      this.log.error(
        { key, reason: errorText(error) },
        "a record of a node can never be written; it is dropped",
      );
      for (const answer of change.done) answer(new SaiError("internal", errorText(error), { cause: error }));
    }
  }

  private putBack(some: Taken[], error: unknown): void {
    this.log.warn(
      { reason: errorText(error), records: some.length },
      "records of nodes could not be written",
    );
    for (const { key, change } of some) {
      if (this.store.lost.aborted) for (const answer of change.done) answer(error);
      else if (!this.changes.has(key)) this.changes.set(key, change);
      else this.changes.get(key)?.done.push(...change.done);
    }
  }
}

const waits = ({ done }: Change): number => (done.length > 0 ? 1 : 0);

/** What the store refuses whenever it is asked. */
const isNeverWritten = (error: unknown): boolean =>
  (["TooLarge", "BadRequest", "TooManyOps"] as const).some((kind) => isStoreError(error, kind));

const isFull = (error: unknown): boolean => error instanceof SaiError && error.code === "resource_exhausted";

function quarantineOp({ id, quarantine }: NodeEntry): Op {
  if (quarantine.kind === "none") return del(keys.quarantine(id));
  const { level, reason } = quarantine;
  const { forMs = 0, untilWallMs: untilMs = 0 } = quarantine.kind === "quarantined" ? quarantine : {};
  return put(keys.quarantine(id), { node: id, level, reason, forMs, untilMs });
}

function recordOf(node: NodeEntry, clock: Clock) {
  const { id, reason, cordon, labels, incarnation, inventoryHash, version, registered } = node;
  const kind = node.state.kind;
  const gpus = registered.length > 0 ? { gpus: registered } : {};
  const about = { id, kind, reason, cordon, labels, incarnation, inventoryHash, ...gpus };
  return { ...about, version, sinceMs: clock.wallMs() };
}
