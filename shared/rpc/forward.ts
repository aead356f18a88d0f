/**
 * Hands calls on to another server as they are: bytes, metadata, deadline and status, at the pace of whoever reads. On
 * the wire all four kinds of call are alike, so each is handed on as a stream in both directions.
 *
 * 1. A call is handed on once: one that was handed on before is refused, so that two servers that each take the other
 *    for the leader do not pass it to and fro.
 * 2. A caller that leaves ends the call at the other server, and a stop ends it for the caller.
 */
import {
  type ClientDuplexStream,
  connectivityState,
  credentials,
  Client as GrpcClient,
  Metadata,
  type ServerDuplexStream,
  type ServiceDefinition,
  type StatusObject,
  status,
} from "@grpc/grpc-js";
import { SaiError } from "../runtime/errors.js";
import type { ServiceTable } from "./services.js";
import { toServiceError } from "./status.js";

export interface ForwardTarget {
  /** host:port to hand calls on to; undefined while nobody is known. */
  address(): string | undefined;
  /** Why calls cannot be handed on, for people. */
  unknown(): SaiError;
  /** Aborts when this server stops handing on. */
  stopping: AbortSignal;
  /** How long a connection may take, ms; 5 s unless said. TCP alone waits minutes for a machine without power. */
  connectMs?: number;
}

const HANDED_ON = "sai-handed-on";
const CONNECT_MS = 5_000;
const MAX_BYTES = 64 * 1024 * 1024;

type Raw = ServerDuplexStream<Buffer, Buffer>;

/** Registers each method of the services as handed on. The answer closes the connections. */
export function addForwarding(
  table: ServiceTable,
  services: readonly ServiceDefinition[],
  target: ForwardTarget,
): () => void {
  const clients = new Map<string, GrpcClient>();
  const clientAt = (address: string): GrpcClient => {
    const known = clients.get(address);
    if (known) return known;
    const client = new GrpcClient(address, credentials.createInsecure(), {
      "grpc.max_receive_message_length": MAX_BYTES,
      "grpc.keepalive_time_ms": 10_000,
      "grpc.keepalive_timeout_ms": 5_000,
      // A leader that was away for minutes is asked again at once when it is back.
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 1_000,
    });
    clients.set(address, client);
    return client;
  };
  const handOn = (call: Raw) => {
    const address = target.address();
    if (address === undefined) return refuse(call, target.unknown());
    if (call.metadata.get(HANDED_ON).length > 0) return refuse(call, goneRound());
    const metadata = call.metadata.clone();
    metadata.remove("user-agent");
    metadata.set(HANDED_ON, "1");
    const deadline = call.getDeadline();
    const client = clientAt(address);
    const out = client.makeBidiStreamRequest(call.getPath(), same, same, metadata, {
      ...(deadline === Number.POSITIVE_INFINITY ? {} : { deadline }),
    });
    const giveUp = joined(call, out, target.stopping);
    if (client.getChannel().getConnectivityState(false) === connectivityState.READY) return;
    client.waitForReady(Date.now() + (target.connectMs ?? CONNECT_MS), (late) => late && giveUp(address));
  };
  for (const service of services) {
    const raw = Object.fromEntries(
      Object.entries(service).map(([name, { path }]) => [name, { ...RAW, path, originalName: name }]),
    );
    table.addService(raw, Object.fromEntries(Object.keys(service).map((name) => [name, handOn])));
  }
  return () => {
    for (const client of clients.values()) client.close();
  };
}

const same = (bytes: Buffer): Buffer => bytes;
const RAW = {
  requestStream: true,
  responseStream: true,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
};

/** Runs both directions until the other server's status, which becomes the caller's. The answer ends it before that. */
function joined(
  call: Raw,
  out: ClientDuplexStream<Buffer, Buffer>,
  stopping: AbortSignal,
): (address: string) => void {
  let ended: StatusObject | undefined;
  let read = false;
  const stop = () => {
    out.cancel();
    finish({ code: status.UNAVAILABLE, details: "this coordinator stops", metadata: new Metadata() });
  };
  let finished = false;
  const finish = (answer: StatusObject) => {
    if (finished) return;
    finished = true;
    stopping.removeEventListener("abort", stop);
    if (call.destroyed || call.cancelled) return;
    if (answer.code === status.OK) call.end(answer.metadata);
    else call.emit("error", answer);
  };
  stopping.addEventListener("abort", stop, { once: true });
  out.on("metadata", (metadata) => call.sendMetadata(metadata));
  out.on("error", () => undefined); // the status says it
  out.on("status", (answer) => {
    ended = answer;
    if (read || answer.code !== status.OK) finish(answer);
  });
  out.on("end", () => {
    read = true;
    if (ended) finish(ended);
  });
  call.on("cancelled", () => {
    stopping.removeEventListener("abort", stop);
    out.cancel();
  });
  call.on("error", () => undefined);
  call.pipe(out as unknown as NodeJS.WritableStream);
  out.pipe(call as unknown as NodeJS.WritableStream, { end: false });
  return (address) => {
    if (finished) return;
    out.cancel();
    const details = `the coordinator that leads, at ${address}, cannot be reached`;
    finish({ code: status.UNAVAILABLE, details, metadata: new Metadata() });
  };
}

function refuse(call: Raw, error: SaiError): void {
  call.emit("error", toServiceError(error));
}

const goneRound = () =>
  new SaiError("unavailable", "this coordinator does not lead, and neither does the one that asked it", {
    hint: "a new leader is being found; ask again in a moment",
  });
