/**
 * What the state store keeps of the fleet: each node's last transition, its cordon and labels, and the inventories by
 * hash, so that a later leader knows whom to wait for and need not ask for what it knew.
 *
 * 1. Off the work path: a store that stalls delays these records and nothing else.
 * 2. One write at a time, each with what is true when it is made: a later one never loses to an earlier one.
 * 3. Many changes are one transaction, and only READY, DRAINING and LOST are worth one.
 */
import type { Json } from "../../shared/benchmark/json.js";
import { Inventory } from "../../shared/gen/sai/v1/node.js";
import type { Clock } from "../../shared/runtime/clock.js";
import { errorText } from "../../shared/runtime/errors.js";
import type { Logger } from "../../shared/runtime/logger.js";
import { write } from "../campaigns/parts.js";
import { del, type FencedStore, put } from "../store/fenced-store.js";
import { keys } from "../store/keys.js";
import type { Op } from "../store/store.js";
import type { NodeEntry } from "./fleet.js";

const DELAY_MS = 100;
const RETRY_MS = 1000;
const STOP_MS = 1000;
const OPS_AT_ONCE = 100;

interface Change {
  op(): Op;
  /** Who waits for it. */
  done: ((error?: unknown) => void)[];
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
      const some = [...this.changes].slice(0, OPS_AT_ONCE);
      for (const [key] of some) this.changes.delete(key);
      try {
        await write({ store: this.store, clock: this.clock }, { ops: some.map(([, change]) => change.op()) });
        for (const [, { done }] of some) for (const answer of done) answer();
      } catch (error) {
        this.putBack(some, error);
        if (this.store.lost.aborted) return;
        await this.clock.sleep(RETRY_MS, this.store.lost).catch(() => {});
      }
    }
  }

  private putBack(some: [string, Change][], error: unknown): void {
    this.log.warn(
      { reason: errorText(error), records: some.length },
      "records of nodes could not be written",
    );
    for (const [key, change] of some) {
      if (this.store.lost.aborted) for (const answer of change.done) answer(error);
      else if (!this.changes.has(key)) this.changes.set(key, change);
      else this.changes.get(key)?.done.push(...change.done);
    }
  }
}

function recordOf(node: NodeEntry, clock: Clock) {
  const { id, reason, cordon, labels, incarnation, inventoryHash, version } = node;
  const kind = node.state.kind;
  return { id, kind, reason, cordon, labels, incarnation, inventoryHash, version, sinceMs: clock.wallMs() };
}
