/** The agent's end of a stream: the Link that a session holds. */
import type { Link } from "../../agent/session/link.js";
import type { AgentMessage, CoordinatorMessage } from "../../shared/gen/sai/agent/v1/session.js";
import { SaiError } from "../../shared/runtime/errors.js";
import { HIGH_WATER, type Item } from "./direction.js";
import type { Stream } from "./stream.js";
import { said } from "./wire.js";

export class AgentEnd implements Link {
  over = false;
  private readonly inbox: CoordinatorMessage[] = [];
  private failure: SaiError | undefined;
  private wake = () => {};
  private readonly drains: (() => void)[] = [];

  constructor(private readonly stream: Stream) {}

  send(message: AgentMessage): "sent" | "wait" | "ended" {
    if (this.over) return "ended";
    const { up, network } = this.stream;
    const parcel = network.wire.up(message);
    network.world.trace.parcel(parcel);
    network.onAgentMessage(this.stream.ends[0].host, message, this.stream);
    up.onDrain = () => this.drain();
    return up.send(parcel) ? "sent" : "wait";
  }

  drained(): Promise<void> {
    if (this.over || this.stream.up.unread <= HIGH_WATER) return Promise.resolve();
    return new Promise((resolve) => this.drains.push(resolve));
  }

  get messages(): AsyncIterable<CoordinatorMessage> {
    return this.read();
  }

  async close(): Promise<void> {
    if (this.over) return;
    this.finish();
    this.stream.up.end();
  }

  arrived(item: Item<CoordinatorMessage>): void {
    if (this.over) return;
    const { trace } = this.stream.network.world;
    if (item.kind === "end") {
      trace.note("net.agent.end", () => `${this.stream.ends[0].host}: ${item.error ?? "in order"}`);
      if (item.error !== undefined) this.failure = new SaiError("unavailable", item.error);
      this.finish();
      this.stream.up.end();
      return;
    }
    const message = item.parcel.open();
    trace.note("net.down", () => `${this.stream.ends[0].host} < ${said(message)}`);
    this.stream.network.onDelivered(this.stream.ends[0].host, message);
    this.inbox.push(message);
    this.wake();
  }

  private finish(): void {
    this.over = true;
    this.wake();
    this.drain();
    this.stream.ended();
  }

  private drain(): void {
    for (const go of this.drains.splice(0)) go();
  }

  private async *read(): AsyncGenerator<CoordinatorMessage> {
    try {
      for (;;) {
        const message = this.inbox.shift();
        if (message) yield message;
        else if (this.failure) throw this.failure;
        else if (this.over) return;
        else
          await new Promise<void>((resolve) => {
            this.wake = resolve;
          });
      }
    } finally {
      void this.close();
    }
  }
}
