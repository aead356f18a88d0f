/**
 * The stream to a coordinator over gRPC.
 *
 * 1. A coordinator that says nothing without being gone (stopped, frozen, behind a dead link) is noticed by keepalive,
 *    within both times of `KEEPALIVE`: far sooner than by heartbeats, which tell who does not answer though it lives, and
 *    sooner than the next leader gives out again what this agent runs (coordinator/sessions/recovery-hold.ts).
 */
import {
  type ChannelCredentials,
  type ClientDuplexStream,
  connectivityState,
  credentials,
} from "@grpc/grpc-js";
import {
  type AgentMessage,
  AgentServiceClient,
  type CoordinatorMessage,
} from "../../shared/gen/sai/agent/v1/session.js";
import { fromServiceError } from "../../shared/rpc/status.js";
import { SaiError } from "../../shared/runtime/errors.js";
import type { Dial, Link } from "./link.js";

/** How often a coordinator is asked whether it is there, and how long it has to answer, ms. */
export const KEEPALIVE = { everyMs: 10_000, answerMs: 5_000 };

/** Dials over gRPC. */
export const dialGrpc =
  (channel: ChannelCredentials = credentials.createInsecure(), keepalive = KEEPALIVE): Dial =>
  async (address, signal, withinMs) => {
    const client = new AgentServiceClient(address, channel, {
      "grpc.max_receive_message_length": 4 * 1024 * 1024,
      "grpc.keepalive_time_ms": keepalive.everyMs,
      "grpc.keepalive_timeout_ms": keepalive.answerMs,
      "grpc.keepalive_permit_without_calls": 1,
      "grpc.enable_retries": 0,
      // How long to wait between dials is the supervisor's to say; a shared pool would add its own pauses.
      "grpc.use_local_subchannel_pool": 1,
    });
    try {
      await connected(client, signal, withinMs);
    } catch (cause) {
      client.close();
      if (signal.aborted) throw signal.reason;
      throw new SaiError("unavailable", `no coordinator answers at ${address}`, {
        hint: "start one with `sai coordinator`, or correct agent.coordinator",
        cause,
      });
    }
    const stream = client.session();
    return new GrpcLink(stream, () => client.close(), address);
  };

/** Resolves when the connection stands. Rejects at the first refusal: when to dial again is the supervisor's to say. */
function connected(client: AgentServiceClient, signal: AbortSignal, withinMs: number): Promise<void> {
  const channel = client.getChannel();
  const deadline = Date.now() + withinMs;
  return new Promise<void>((resolve, reject) => {
    const stop = () => reject(signal.reason);
    const settle = (done: () => void) => {
      signal.removeEventListener("abort", stop);
      done();
    };
    const look = () => {
      const state = channel.getConnectivityState(true);
      if (state === connectivityState.READY) settle(resolve);
      else if (state === connectivityState.TRANSIENT_FAILURE || state === connectivityState.SHUTDOWN)
        settle(() => reject(new Error("the connection was refused")));
      else
        channel.watchConnectivityState(state, deadline, (late) => {
          if (late) settle(() => reject(new Error(`nothing answered within ${withinMs} ms`)));
          else look();
        });
    };
    signal.addEventListener("abort", stop, { once: true });
    look();
  });
}

class GrpcLink implements Link {
  private open = true;

  constructor(
    private readonly stream: ClientDuplexStream<AgentMessage, CoordinatorMessage>,
    private readonly closeClient: () => void,
    private readonly address: string,
  ) {
    // The error reaches whoever reads `messages`; without a listener it would end the process.
    stream.on("error", () => {});
  }

  send(message: AgentMessage): "sent" | "wait" | "ended" {
    if (!this.open || !this.stream.writable) return "ended";
    return this.stream.write(message) ? "sent" : "wait";
  }

  drained(): Promise<void> {
    if (!this.open || !this.stream.writableNeedDrain) return Promise.resolve();
    return new Promise((resolve) => {
      const go = () => {
        this.stream.off("drain", go).off("close", go);
        resolve();
      };
      this.stream.on("drain", go).on("close", go);
    });
  }

  get messages(): AsyncIterable<CoordinatorMessage> {
    return this.read();
  }

  private async *read(): AsyncGenerator<CoordinatorMessage> {
    try {
      for await (const message of this.stream) yield message as CoordinatorMessage;
    } catch (error) {
      if (this.open) throw fromServiceError(error, `session with ${this.address}`);
    } finally {
      this.open = false;
      this.stream.cancel();
      this.closeClient();
    }
  }

  async close(graceMs: number): Promise<void> {
    if (!this.open) return;
    this.open = false;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        this.stream.cancel();
        resolve();
      }, graceMs);
      this.stream.once("close", () => {
        clearTimeout(timer);
        resolve();
      });
      this.stream.end();
    });
    this.closeClient();
  }
}
