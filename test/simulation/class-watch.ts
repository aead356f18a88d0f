/** A job whose times are compared is given to devices of one class, also by a leader that finds it begun. */
import type { JobEntry } from "../../coordinator/campaigns/board.js";
import type { Core } from "../../coordinator/core.js";
import type { HeldAttempt } from "../../coordinator/sessions/fleet.js";
import type { Fail } from "./violations.js";

export class ClassWatch {
  /** Class of the first attempt that a leader gave out, by job. */
  private readonly first = new WeakMap<JobEntry, string>();

  constructor(private readonly fail: Fail) {}

  /** A leader gives a node an attempt. */
  given({ board, fleet }: Core, agent: string, { shard, lane }: HeldAttempt): void {
    const job = board.job(shard.campaign, shard.job);
    if (lane !== "test" || !job?.spec.metrics.some(({ target }) => target !== undefined)) return;
    const classOf = (id: string) =>
      fleet.node(id)?.inventory?.devices.find(({ kind }) => kind === "test")?.name;
    const now = classOf(agent);
    const before = this.first.get(job);
    const done = [...job.done.values()].flatMap((value) => {
      const name = value.kind === "result" ? classOf(value.agent) : undefined;
      return name === undefined ? [] : [name];
    });
    if (now === undefined) return;
    this.first.set(job, before ?? now);
    const name = `${shard.campaign}/${shard.job}`;
    if (before !== undefined && before !== now)
      this.fail(
        "times are compared on one class",
        `${name} is given to ${agent} (${now}), others to ${before}`,
      );
    if (before === undefined && done.length > 0 && !done.includes(now))
      this.fail(
        "times are compared on one class",
        `${name} is given to ${agent} (${now}), it was done on ${done}`,
      );
  }
}
