/**
 * What a gRPC server and its handlers need: async functions as handlers, errors mapped once, bounded messages, and a
 * start that answers with its port and has an awaited stop.
 */
import { constants, type ServerHttp2Stream } from "node:http2";
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

/** Who hears of calls (the log and the metrics), and what holds for all of them. */
export interface CallObserver {
  /** A handler failed unexpectedly; the caller gets INTERNAL only. */
  failed(method: string, error: unknown): void;
  /** A call ended; `status` is the gRPC status' name. */
  ended(method: string, status: string, seconds: number): void;
  /** A stream whose consumer takes nothing for so long is cut off; default 30 s. */
  drainMs?: number;
  /** Aborts when the server stops: open streams end then. */
  stopping?: AbortSignal;
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

/**
 * A server-streaming handler from an async generator, at the consumer's pace.
 *
 * 1. One message is on its way at a time: the generator is not asked for another before the consumer's window has taken
 *    the last one, so that memory does not grow with what a slow consumer has not read.
 * 2. A consumer that takes nothing for `drainMs` is cut off with RESOURCE_EXHAUSTED.
 * 3. The generator's `signal` aborts when the consumer leaves or is cut off, and when the server stops; the consumer
 *    then gets UNAVAILABLE.
 */
export function streaming<Req, Res>(
  calls: CallObserver,
  run: (request: Req, signal: AbortSignal) => AsyncIterable<Res>,
): handleServerStreamingCall<Req, Res> {
  return (call) => {
    const { drainMs = DRAIN_MS, stopping } = calls;
    const over = new AbortController();
    const left = new SaiError("cancelled", "the caller left");
    const leave = () => over.abort(left);
    const stop = () => over.abort(STOPPING);
    call.on("cancelled", leave);
    call.on("close", leave);
    stopping?.addEventListener("abort", stop, { once: true });
    if (stopping?.aborted) stop();
    const end = observed(calls, call.getPath());
    pump(call, run(call.request, over.signal), over.signal, drainMs)
      .then(
        () => void end(),
        (error: unknown) => {
          if (error === left) return void end(error);
          call.emit("error", end(error));
          if (error instanceof TooSlow) resetStream(call);
        },
      )
      .finally(() => stopping?.removeEventListener("abort", stop));
  };
}

const DRAIN_MS = 30_000;
const STOPPING = new SaiError("unavailable", "the coordinator stops", { hint: "ask again in a moment" });

class TooSlow extends SaiError {
  constructor(drainMs: number) {
    super("resource_exhausted", `nothing was read for ${drainMs} ms`, { hint: "ask again, and read on" });
  }
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

/** Throws `signal`'s reason when it aborts before the last answer is taken. */
async function pump<Req, Res>(
  call: ServerWritableStream<Req, Res>,
  answers: AsyncIterable<Res>,
  signal: AbortSignal,
  drainMs: number,
): Promise<void> {
  for await (const answer of answers) {
    if (signal.aborted) break;
    await taken(call, answer, signal, drainMs);
  }
  signal.throwIfAborted();
  call.end();
}

/** Resolves when the consumer's window has taken the answer, or when `signal` aborts. */
function taken<Req, Res>(
  call: ServerWritableStream<Req, Res>,
  answer: Res,
  signal: AbortSignal,
  drainMs: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (settle: () => void) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", leave);
      settle();
    };
    const leave = () => done(resolve);
    const timer = setTimeout(() => done(() => reject(new TooSlow(drainMs))), drainMs);
    signal.addEventListener("abort", leave, { once: true });
    call.write(answer, leave);
  });
}

/** What lies between a call and its HTTP/2 stream; grpc-js does not show it. */
interface Layer {
  call?: Layer;
  nextCall?: Layer;
  stream?: ServerHttp2Stream;
}

/** Resets a server call's HTTP/2 stream: a status would wait for ever behind what is not read. */
export function resetStream(call: unknown): void {
  let layer = call as Layer | undefined;
  while (layer !== undefined && layer.stream === undefined) layer = layer.nextCall ?? layer.call;
  layer?.stream?.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
}

export interface Listening {
  /** host:port as bound. */
  address: string;
  /** True if the implicit port was taken and the next free one is used. */
  moved: boolean;
  /** Refuses new calls, gives running ones `graceMs`, then ends them. */
  stop(graceMs: number): Promise<void>;
}

const MAX_REQUEST_BYTES = 4 * 1024 * 1024;

/** A server with our limits: so many bytes a message it is sent, keepalive that notices dead peers. */
export const newServer = (maxRequestBytes = MAX_REQUEST_BYTES): Server =>
  new Server({
    "grpc.max_receive_message_length": maxRequestBytes,
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
