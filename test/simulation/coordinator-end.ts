/** The coordinator's end of a stream: what gRPC hands to the agents' service, as far as that uses it. */
import { EventEmitter } from "node:events";
import type { AgentMessage, CoordinatorMessage } from "../../shared/gen/sai/agent/v1/session.js";
import type { Item } from "./direction.js";
import type { Stream } from "./stream.js";
import { said } from "./wire.js";

export class CoordinatorEnd extends EventEmitter {
  over = false;

  constructor(private readonly stream: Stream) {
    super();
    // A service that emits an error gives the call that status and ends it.
    this.on("error", (error: { details?: string; message?: string }) => {
      if (this.over) return;
      this.finish(error.details ?? error.message ?? "unknown");
    });
  }

  write(message: CoordinatorMessage): boolean {
    if (this.over) return true;
    const { down, network } = this.stream;
    const parcel = network.wire.down(message);
    network.world.trace.parcel(parcel);
    network.onCoordinatorMessage(this.stream.ends[1].host, this.stream.ends[0].host, message, this.stream);
    down.onDrain = () => this.emit("drain");
    return down.send(parcel);
  }

  end(): void {
    if (!this.over) this.finish(undefined);
  }

  arrived(item: Item<AgentMessage>): void {
    if (this.over) return;
    const { trace } = this.stream.network.world;
    if (item.kind === "message") {
      const message = item.parcel.open();
      trace.note("net.up", () => `${this.stream.ends[0].host} > ${said(message)}`);
      this.emit("data", message);
      return;
    }
    trace.note("net.coordinator.end", () => `${this.stream.ends[0].host}: ${item.error ?? "in order"}`);
    if (item.error === undefined) {
      this.emit("end");
      if (!this.over) this.finish(undefined);
      return;
    }
    this.over = true;
    this.stream.down.end(item.error);
    this.stream.ended();
    this.emit("cancelled");
    this.emit("close");
  }

  private finish(error: string | undefined): void {
    this.over = true;
    this.stream.down.end(error);
    this.stream.ended();
    this.emit("close");
  }
}
