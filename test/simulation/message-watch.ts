/** What passes between agents and coordinators, and what must never be said or acted on. */
import type {
  AgentMessage,
  CoordinatorMessage,
  Fence,
  ShardRef,
} from "../../shared/gen/sai/agent/v1/session.js";
import type { StoreWatch } from "./store-watch.js";
import type { Fail } from "./violations.js";

const textOf = (fence: Fence | undefined): string => (fence ? `${fence.epoch}.${fence.n}` : "");
const shardOf = (shard: ShardRef | undefined): string =>
  shard ? `${shard.campaign}/${shard.job}/${shard.index}` : "";

export class MessageWatch {
  /** The shard of every attempt there ever was. */
  readonly shardOf = new Map<string, string>();
  /** `agent/fence` of what the agent was told the end of. */
  private readonly answered = new Set<string>();
  /** Highest epoch that a process of an agent goes by: one that it could not write down (a full disk) is none. */
  private readonly epochs = new Map<string, bigint>();
  /** `agent/fence` that only a coordinator of a lower epoch has given. */
  private readonly stale = new Set<string>();

  constructor(
    private readonly store: StoreWatch,
    private readonly fail: Fail,
  ) {}

  /** A coordinator says something. */
  said(agent: string, { body, epoch }: CoordinatorMessage): void {
    if (body?.$case === "assign") {
      for (const { fence, shard } of body.value.assignments) {
        const name = textOf(fence);
        if (this.shardOf.has(name) || fence?.epoch !== epoch)
          this.fail(
            "fences rise",
            `${name} is given to ${agent} under epoch ${epoch}, though it was given before`,
          );
        this.shardOf.set(name, shardOf(shard));
      }
    } else if (body?.$case === "commitAck") {
      for (const { fence, verdict } of body.value.verdicts) this.follows(textOf(fence), verdict);
    }
  }

  /** An agent's process reads a message. */
  read(agent: string, { body, epoch }: CoordinatorMessage): void {
    const highest = this.epochs.get(agent) ?? 0n;
    if (body?.$case === "assign") {
      for (const { fence } of body.value.assignments) {
        const name = `${agent}/${textOf(fence)}`;
        if (epoch < highest) this.stale.add(name);
      }
    } else if (body?.$case === "commitAck") {
      for (const { fence } of body.value.verdicts) this.answered.add(`${agent}/${textOf(fence)}`);
    } else if (body?.$case === "cancel") {
      for (const fence of body.value.fences) this.answered.add(`${agent}/${textOf(fence)}`);
    } else if (body?.$case === "welcome") {
      for (const { fence, verdict } of body.value.verdicts)
        if (verdict !== "KEEP") this.answered.add(`${agent}/${textOf(fence)}`);
    }
  }

  /** An agent says something. */
  heard(agent: string, { body, epoch }: AgentMessage): void {
    if (epoch > (this.epochs.get(agent) ?? 0n)) this.epochs.set(agent, epoch);
    if (body?.$case !== "accepted" && body?.$case !== "started") return;
    for (const fence of body.value.fences) {
      const name = `${agent}/${textOf(fence)}`;
      if (this.stale.has(name))
        this.fail("a lower epoch is refused", `${name} was taken from a deposed coordinator`);
    }
  }

  /** A process of an agent is gone, and with it what only its memory knew. */
  forgets(agent: string): void {
    this.epochs.delete(agent);
  }

  isAnswered(agent: string, fence: string): boolean {
    return this.answered.has(`${agent}/${fence}`);
  }

  private follows(fence: string, verdict: string): void {
    const shard = this.shardOf.get(fence);
    const done = shard === undefined ? undefined : this.store.done.get(shard);
    if (verdict === "COMMITTED" && !(done?.kind === "result" && done.fence === fence))
      this.fail(
        "an acknowledgement follows its commit",
        `${fence} is COMMITTED, ${shard} has ${done?.kind ?? "nothing"}`,
      );
    if (verdict === "SUPERSEDED" && done === undefined)
      this.fail("an acknowledgement follows its commit", `${fence} is SUPERSEDED, ${shard} is not done`);
  }
}
