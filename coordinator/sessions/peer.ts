/**
 * The coordinator's side of one stream: an outbox that honours the agent's pace. What does not fit waits, up to 1,000
 * messages; a peer that does not drain for 30 s, or overflows, is closed, and its agent dials again.
 */
import type { ServerDuplexStream } from "@grpc/grpc-js";
import type { AgentMessage, CoordinatorMessage } from "../../shared/gen/sai/agent/v1/session.js";
import { toServiceError } from "../../shared/rpc/status.js";
import type { Clock } from "../../shared/runtime/clock.js";
import { SaiError } from "../../shared/runtime/errors.js";

export type CoordinatorBody = NonNullable<CoordinatorMessage["body"]>;

export interface PeerLimits {
  maxMessages: number;
  drainMs: number;
}

export interface Peer {
  send(body: CoordinatorBody): void;
  /** Ends the stream; with an error the agent sees it. */
  close(error?: SaiError): void;
}

export class GrpcPeer implements Peer {
  private readonly outbox: CoordinatorMessage[] = [];
  private cancelTimer: (() => void) | undefined;
  private open = true;

  constructor(
    private readonly stream: ServerDuplexStream<AgentMessage, CoordinatorMessage>,
    private readonly from: { readonly clusterId: string; readonly epoch: bigint },
    private readonly limits: PeerLimits,
    private readonly clock: Clock,
  ) {
    stream.on("close", () => this.ended());
    stream.on("error", () => this.ended());
  }

  send(body: CoordinatorBody): void {
    if (!this.open) return;
    const message = { clusterId: this.from.clusterId, epoch: this.from.epoch, body };
    if (this.cancelTimer === undefined) {
      if (!this.stream.write(message)) this.wait();
      return;
    }
    this.outbox.push(message);
    if (this.outbox.length > this.limits.maxMessages) this.close(tooSlow("its outbox overflowed"));
  }

  close(error?: SaiError): void {
    if (!this.open) return;
    this.ended();
    if (error === undefined) this.stream.end();
    else this.stream.emit("error", toServiceError(error));
  }

  private wait(): void {
    const { drainMs } = this.limits;
    this.cancelTimer = this.clock.after(drainMs, () =>
      this.close(tooSlow(`nothing was read for ${drainMs} ms`)),
    );
    this.stream.once("drain", () => {
      this.cancelTimer?.();
      this.cancelTimer = undefined;
      while (this.open && this.cancelTimer === undefined) {
        const next = this.outbox.shift();
        if (next === undefined) return;
        if (!this.stream.write(next)) this.wait();
      }
    });
  }

  private ended(): void {
    this.open = false;
    this.cancelTimer?.();
    this.outbox.length = 0;
  }
}

const tooSlow = (why: string): SaiError =>
  new SaiError("resource_exhausted", `the agent reads too slowly: ${why}`, { hint: "it may dial again" });
