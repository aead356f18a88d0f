/** Second attempts: never more than one beside the first, never where they would change what comes out, never charged. */
import type { Core } from "../../coordinator/core.js";
import type { HeldAttempt } from "../../coordinator/sessions/fleet.js";
import type { FailValue } from "../../coordinator/store/values.js";
import { type Fence, fenceText } from "../../shared/domain/fence.js";
import type { Fail } from "./violations.js";

export class TwinWatch {
  /** Second attempts that have not taken the place of a first one. */
  private readonly twins = new Set<string>();

  constructor(private readonly fail: Fail) {}

  /** A leader gives a node an attempt. */
  given({ board, fleet }: Core, { fence, shard, why }: HeldAttempt): void {
    if (why !== "duplicate") return;
    this.twins.add(fenceText(fence));
    const name = `${shard.campaign}/${shard.job}/${shard.index}`;
    const nodes = fleet.list().filter(({ attempts }) =>
      [...attempts.values()].some((one) => {
        const of = one.shard;
        return of.campaign === shard.campaign && of.job === shard.job && of.index === shard.index;
      }),
    );
    if (nodes.length > 2) this.fail("one duplicate at most", `${name} is on ${nodes.map(({ id }) => id)}`);
    const spec = board.job(shard.campaign, shard.job)?.spec;
    const timed = spec?.metrics.some(({ id, target }) => id === "latency" && target !== undefined);
    if (timed || (spec?.generation.temperature ?? 0) > 0)
      this.fail("times and samples have no duplicates", `${name} is duplicated`);
  }

  /** An attempt goes on as the one that its shard names. */
  adopted(fence: Fence): void {
    this.twins.delete(fenceText(fence));
  }

  /** A failure was written. */
  charged(fence: Fence, { wentOn }: FailValue): void {
    if (!wentOn && this.twins.has(fenceText(fence)))
      this.fail("duplicates are charged to nobody", `the failure of ${fenceText(fence)} counts`);
  }
}
