/**
 * The coordinator's side of one stream: an outbox that honours the agent's pace.
 *
 * 1. Once the stream asks for a pause nothing is written until it drains.
 * 2. What waits meanwhile is at most 1,000 messages and 4 MiB, and of answers to heartbeats only the newest. A peer that
 *    overflows or does not drain for 30 s is closed; its agent dials again and hears what counts then.
 */
import type { ServerDuplexStream } from "@grpc/grpc-js";
import { type AgentMessage, CoordinatorMessage } from "../../shared/gen/sai/agent/v1/session.js";
import { resetStream } from "../../shared/rpc/serve.js";
import { toServiceError } from "../../shared/rpc/status.js";
import type { Clock } from "../../shared/runtime/clock.js";
import { SaiError } from "../../shared/runtime/errors.js";

export type CoordinatorBody = NonNullable<CoordinatorMessage["body"]>;

export interface PeerLimits {
  maxMessages: number;
  maxBytes: number;
  drainMs: number;
}

export interface Peer {
  send(body: CoordinatorBody): void;
  /** Ends the stream; with an error the agent sees it. */
  close(error?: SaiError): void;
}

export class GrpcPeer implements Peer {
  private readonly outbox: { message: CoordinatorMessage; bytes: number }[] = [];
  private waitingBytes = 0;
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

  /** What waits for the agent to read. */
  get backlog(): { messages: number; bytes: number } {
    return { messages: this.outbox.length, bytes: this.waitingBytes };
  }

  send(body: CoordinatorBody): void {
    if (!this.open) return;
    const message = { clusterId: this.from.clusterId, epoch: this.from.epoch, body };
    if (this.cancelTimer === undefined) {
      if (!this.stream.write(message)) this.wait();
      return;
    }
    this.keep(message);
    const { maxMessages, maxBytes } = this.limits;
    if (this.outbox.length > maxMessages || this.waitingBytes > maxBytes) {
      const waits = `${this.outbox.length} messages of ${this.waitingBytes} bytes wait`;
      this.cut(`its outbox overflowed: ${waits}`);
    }
  }

  /** Ends a stream that is not read; its status would wait behind the rest, so it is reset as well. */
  private cut(why: string): void {
    this.close(tooSlow(why));
    resetStream(this.stream);
  }

  private keep(message: CoordinatorMessage): void {
    const bytes = CoordinatorMessage.encode(message).finish().byteLength;
    const last = this.outbox.at(-1);
    if (message.body?.$case === "heartbeatAck" && last?.message.body?.$case === "heartbeatAck") {
      this.waitingBytes -= last.bytes;
      this.outbox.pop();
    }
    this.outbox.push({ message, bytes });
    this.waitingBytes += bytes;
  }

  close(error?: SaiError): void {
    if (!this.open) return;
    this.ended();
    if (error === undefined) this.stream.end();
    else this.stream.emit("error", toServiceError(error));
  }

  private wait(): void {
    const { drainMs } = this.limits;
    this.cancelTimer = this.clock.after(drainMs, () => this.cut(`nothing was read for ${drainMs} ms`));
    this.stream.once("drain", () => {
      this.cancelTimer?.();
      this.cancelTimer = undefined;
      while (this.open && this.cancelTimer === undefined) {
        const next = this.outbox.shift();
        if (next === undefined) return;
        this.waitingBytes -= next.bytes;
        if (!this.stream.write(next.message)) this.wait();
      }
    });
  }

  private ended(): void {
    this.open = false;
    this.cancelTimer?.();
    this.outbox.length = 0;
    this.waitingBytes = 0;
  }
}

const tooSlow = (why: string): SaiError =>
  new SaiError("resource_exhausted", `the agent reads too slowly: ${why}`, { hint: "it may dial again" });
