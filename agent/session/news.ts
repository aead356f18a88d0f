/** Everything an agent says in a session, as messages: which news share one, how many, and about how large they are. */
import type { Fence } from "../../shared/domain/fence.js";
import type { ShardFailure, ShardResult } from "../attempt/assignment.js";
import { failureMessage, resultMessage } from "./convert.js";
import { inventoryParts, PART_BYTES } from "./inventory-parts.js";
import type { Body, Outbox } from "./outbox.js";

export type BodyOf<K extends Body["$case"]> = NonNullable<Extract<Body, { $case: K }>["value"]>;

/** A result takes at most 1 KiB and some names, a fence about 20 bytes. */
const RESULTS_AT_ONCE = 100;
const FENCES_AT_ONCE = 5_000;
const FENCE_BYTES = 20;
const NAMES_BYTES = 300;

export class News {
  constructor(private readonly outbox: Outbox) {}

  /** As they are, in this order. */
  hello(bodies: readonly Body[]): void {
    const one = ([body]: Body[]) => body as Body;
    for (const body of bodies) this.outbox.add(body.$case, 1, [body], () => 0, one);
  }

  attempts(kind: "accepted" | "started" | "retracted", fences: readonly Fence[]): void {
    const body = (some: Fence[]): Body => ({ $case: kind, value: { fences: some } });
    this.outbox.add(kind, FENCES_AT_ONCE, fences, () => FENCE_BYTES, body);
  }

  rejected(fence: Fence, reason: string): void {
    const body = (fences: Fence[]): Body => ({ $case: "rejected", value: { fences, reason } });
    this.outbox.add(`rejected ${reason}`, FENCES_AT_ONCE, [fence], () => FENCE_BYTES, body);
  }

  progress(attempts: BodyOf<"progress">["attempts"]): void {
    this.outbox.latest(
      "progress",
      [{ $case: "progress", value: { attempts } }],
      attempts.length * FENCE_BYTES,
    );
  }

  results(results: readonly ShardResult[]): void {
    const body = (some: ShardResult[]): Body => ({
      $case: "results",
      value: { results: some.map(resultMessage) },
    });
    const bytes = ({ inline }: ShardResult) => NAMES_BYTES + (inline?.byteLength ?? 0);
    this.outbox.add("results", RESULTS_AT_ONCE, results, bytes, body);
  }

  failures(failures: readonly ShardFailure[]): void {
    const body = ([failure]: ShardFailure[]): Body => ({
      $case: "failed",
      value: failureMessage(failure as ShardFailure),
    });
    this.outbox.add("failed", 1, failures, ({ message }) => NAMES_BYTES + message.length, body);
  }

  /** In as many parts as the protocol that is spoken asks for. */
  inventory(inventory: Parameters<typeof inventoryParts>[0], protocol: number): void {
    const bodies = inventoryParts(inventory, protocol).map((value): Body => ({ $case: "inventory", value }));
    this.outbox.latest("inventory", bodies, PART_BYTES);
  }

  credit(lane: string, total: bigint): void {
    this.outbox.latest(`credit ${lane}`, [{ $case: "credit", value: { lane, total } }]);
  }

  /** Before everything else that waits. */
  heartbeat(value: BodyOf<"heartbeat">): void {
    this.outbox.first({ $case: "heartbeat", value });
  }

  bye(reason: string): void {
    this.outbox.latest("bye", [{ $case: "bye", value: { reason } }]);
  }
}
