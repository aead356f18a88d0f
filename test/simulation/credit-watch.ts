/** Agents offer room, lane by lane and anew in every session; nobody gives them more than that. */
import type { AgentMessage, CoordinatorMessage } from "../../shared/gen/sai/agent/v1/session.js";
import type { Fail } from "./violations.js";

interface Lane {
  offered: bigint;
  given: bigint;
}

export class CreditWatch {
  /** Lanes by name, for each stream. */
  private readonly sessions = new WeakMap<object, Map<string, Lane>>();

  constructor(private readonly fail: Fail) {}

  /** An agent says something on a stream: what it offers counts from when it is sent. */
  heard(stream: object, { body }: AgentMessage): void {
    if (body?.$case !== "credit") return;
    const lane = this.lane(stream, body.value.lane);
    if (body.value.total > lane.offered) lane.offered = body.value.total;
  }

  /** A coordinator says something to an agent. */
  said(stream: object, agent: string, { body }: CoordinatorMessage): void {
    if (body?.$case !== "assign") return;
    for (const assignment of body.value.assignments) {
      const lane = this.lane(stream, assignment.lane);
      lane.given += 1n;
      if (lane.given > lane.offered)
        this.fail(
          "credits are not overdrawn",
          `${agent} offered room for ${lane.offered} on ${assignment.lane} and was given ${lane.given}`,
        );
    }
  }

  private lane(stream: object, name: string): Lane {
    const lanes = this.sessions.get(stream) ?? new Map<string, Lane>();
    this.sessions.set(stream, lanes);
    const lane = lanes.get(name) ?? { offered: 0n, given: 0n };
    lanes.set(name, lane);
    return lane;
  }
}
