/** One stream between an agent and a coordinator: two ends, two directions, and what breaks them. */
import type { AgentMessage, CoordinatorMessage } from "../../shared/gen/sai/agent/v1/session.js";
import { AgentEnd } from "./agent-end.js";
import { CoordinatorEnd } from "./coordinator-end.js";
import { Direction, type End, type Ending } from "./direction.js";
import type { Network } from "./network.js";
import type { Process } from "./process.js";

export class Stream {
  readonly ends: readonly [End, End];
  readonly agent: AgentEnd;
  readonly coordinator: CoordinatorEnd;
  readonly up: Direction<AgentMessage>;
  readonly down: Direction<CoordinatorMessage>;

  constructor(
    readonly network: Network,
    agent: End,
    coordinator: End,
  ) {
    this.ends = [agent, coordinator];
    this.agent = new AgentEnd(this);
    this.coordinator = new CoordinatorEnd(this);
    this.up = new Direction(network, agent, coordinator, (item) => this.coordinator.arrived(item));
    this.down = new Direction(network, coordinator, agent, (item) => this.agent.arrived(item));
  }

  /** Both ends see the stream break, each when it hears of it. */
  reset(): void {
    this.up.end("the connection was reset");
    this.down.end("the connection was reset");
  }

  died(process: Process): void {
    if (process === this.ends[0].process) this.up.end("the connection was closed");
    if (process === this.ends[1].process) this.down.end("the connection was closed");
  }

  vanished(process: Process): void {
    if (process === this.ends[0].process) this.up.close();
    if (process === this.ends[1].process) this.down.close();
  }

  /** Whether this end would hear nothing of the other now. */
  silentFor(end: End): boolean {
    const [agent, coordinator] = this.ends;
    const other = end === agent ? coordinator : agent;
    const over = end === agent ? this.agent.over : this.coordinator.over;
    if (over || !end.process.alive) return false;
    return this.network.unreachable(end.host, other.host) || other.process.paused || !other.process.alive;
  }

  giveUp(end: End): void {
    const broken: Ending = { kind: "end", error: "keepalive: the peer does not answer", atUs: 0 };
    if (end === this.ends[0]) this.ends[0].process.enter(() => this.agent.arrived(broken));
    else this.ends[1].process.enter(() => this.coordinator.arrived(broken));
    // The kernel's own goodbye; it arrives once there is a way again.
    (end === this.ends[0] ? this.up : this.down).end("the connection was closed");
  }

  moveOn(): void {
    this.up.moveOn();
    this.down.moveOn();
  }

  /** Forgotten once neither end reads any more. */
  ended(): void {
    if (this.agent.over && this.coordinator.over) this.network.forget(this);
  }
}
