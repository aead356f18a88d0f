/**
 * What a gRPC server and its handlers need: async functions as handlers, errors mapped once, bounded messages, and a
 * start that answers with its port and has an awaited stop.
 */
import {
  type handleServerStreamingCall,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServerWritableStream,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import type { Port } from "../runtime/config.js";
import { SaiError } from "../runtime/errors.js";
import { listenOn } from "../runtime/listen.js";
import { toServiceError } from "./status.js";

/** Who hears of calls: the log and the metrics. */
export interface CallObserver {
  /** A handler failed unexpectedly; the caller gets INTERNAL only. */
  failed(method: string, error: unknown): void;
  /** A call ended; `status` is the gRPC status' name. */
  ended(method: string, status: string, seconds: number): void;
}

/** A unary handler from an async function. `signal` aborts when the caller leaves. */
export function unary<Req, Res>(
  calls: CallObserver,
  run: (request: Req, signal: AbortSignal) => Promise<Res> | Res,
): handleUnaryCall<Req, Res> {
  return (call, callback) => {
    const gone = new AbortController();
    call.on("cancelled", () => gone.abort(new SaiError("cancelled", "the caller left")));
    const end = observed(calls, call.getPath());
    Promise.resolve()
      .then(() => run(call.request, gone.signal))
      .then(
        (answer) => {
          callback(null, answer);
          end();
        },
        (error) => callback(end(error)),
      );
  };
}

/** A server-streaming handler from an async generator; waits for the client to drain, stops when it leaves. */
export function streaming<Req, Res>(
  calls: CallObserver,
  run: (request: Req, signal: AbortSignal) => AsyncIterable<Res>,
): handleServerStreamingCall<Req, Res> {
  return (call) => {
    const gone = new AbortController();
    const leave = () => gone.abort(new SaiError("cancelled", "the caller left"));
    call.on("cancelled", leave);
    call.on("close", leave);
    const end = observed(calls, call.getPath());
    pump(call, run(call.request, gone.signal), gone.signal).then(
      () => void end(),
      (error) => {
        if (!gone.signal.aborted) call.emit("error", end(error));
      },
    );
  };
}

/** Reports the end of a call once, and gives the status that its caller gets. */
export function observed(calls: CallObserver, method: string): (error?: unknown) => Partial<ServiceError> {
  const startNs = process.hrtime.bigint();
  return (error) => {
    const seconds = Number(process.hrtime.bigint() - startNs) / 1e9;
    if (error === undefined) {
      calls.ended(method, "OK", seconds);
      return {};
    }
    if (!(error instanceof SaiError)) calls.failed(method, error);
    const answer = toServiceError(error);
    calls.ended(method, status[answer.code ?? status.UNKNOWN], seconds);
    return answer;
  };
}

async function pump<Req, Res>(
  call: ServerWritableStream<Req, Res>,
  answers: AsyncIterable<Res>,
  signal: AbortSignal,
): Promise<void> {
  for await (const answer of answers) {
    if (signal.aborted) return;
    if (!call.write(answer)) await drained(call, signal);
  }
  call.end();
}

function drained(call: { once(event: "drain", run: () => void): void }, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    call.once("drain", resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

export interface Listening {
  /** host:port as bound. */
  address: string;
  /** True if the implicit port was taken and the next free one is used. */
  moved: boolean;
  /** Refuses new calls, gives running ones `graceMs`, then ends them. */
  stop(graceMs: number): Promise<void>;
}

/** A server with our limits: 4 MiB a message, keepalive that notices dead peers. */
export const newServer = (): Server =>
  new Server({
    "grpc.max_receive_message_length": 4 * 1024 * 1024,
    "grpc.max_send_message_length": 64 * 1024 * 1024,
    "grpc.keepalive_time_ms": 20_000,
    "grpc.keepalive_timeout_ms": 10_000,
    "grpc.keepalive_permit_without_calls": 1,
  });

/** Binds and starts; `key` is the configuration key of the port, for the error when it cannot be had. */
export async function listen(server: Server, host: string, port: Port, key: string): Promise<Listening> {
  const bound = await listenOn(key, port, (candidate) => bindTo(server, `${host}:${candidate}`));
  return {
    address: `${host}:${bound.server}`,
    moved: bound.moved,
    stop: (graceMs) => stop(server, graceMs),
  };
}

const bindTo = (server: Server, address: string): Promise<number> =>
  new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
  });

function stop(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const force = setTimeout(() => server.forceShutdown(), graceMs);
    server.tryShutdown(() => {
      clearTimeout(force);
      resolve();
    });
  });
}
