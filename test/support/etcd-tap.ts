/**
 * A server between one coordinator and etcd that hands every call on and writes down which transactions that coordinator
 * asked for and what became of them: who wrote what.
 */
import {
  credentials,
  Client as GrpcClient,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServiceError,
  type StatusObject,
} from "@grpc/grpc-js";
import { etcdService, ROOT } from "./etcd-eyes.js";

/** A transaction that took effect. */
export interface Write {
  /** Who asked for it. */
  by: string;
  rev: number;
  /** The create revision of the leader key that it compared; undefined if it did not. */
  epoch: number | undefined;
  /** It puts the leader key, that is takes the leadership. */
  acquires: boolean;
  /** Keys it puts, without `/sai/v1/`; and whether it deletes any. */
  puts: string[];
  deletes: boolean;
}

export interface EtcdTap {
  /** host:port. */
  readonly address: string;
  close(): void;
}

interface Txn {
  compare: { key: Buffer; target: string; result: string; create_revision?: number }[];
  success: { request_put?: { key: Buffer }; request_delete_range?: object }[];
}
interface TxnAnswer {
  header: { revision: number };
  succeeded: boolean;
}

const LIMITS = { "grpc.max_receive_message_length": 256 * 1024 * 1024, "grpc.use_local_subchannel_pool": 1 };
const same = (bytes: Buffer): Buffer => bytes;
const LEADER = "leader";

/** Starts one before `target` (host:port) for the coordinator `by`; what took effect goes to `writes`. */
export async function tapEtcd(target: string, by: string, writes: Write[]): Promise<EtcdTap> {
  const client = new GrpcClient(target, credentials.createInsecure(), LIMITS);
  const server = new Server(LIMITS);
  for (const name of ["KV", "Lease", "Watch", "Maintenance", "Auth"]) {
    const service = etcdService(name);
    const raw = Object.fromEntries(
      Object.entries(service).map(([method, { path, requestStream }]) => [
        method,
        {
          path,
          requestStream,
          responseStream: requestStream,
          requestSerialize: same,
          requestDeserialize: same,
          responseSerialize: same,
          responseDeserialize: same,
        },
      ]),
    );
    server.addService(
      raw as never,
      Object.fromEntries(
        Object.entries(service).map(([method, { path, requestStream }]) => [
          method,
          requestStream
            ? (call: ServerDuplexStream<Buffer, Buffer>) => handOn(client, path, call)
            : (call: { request: Buffer }, done: (error: ServiceError | null, answer?: Buffer) => void) =>
                client.makeUnaryRequest(path, same, same, call.request, (error, answer) => {
                  if (!error && method === "Txn") note(by, call.request, answer as Buffer, writes);
                  done(error, answer);
                }),
        ]),
      ),
    );
  }
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return {
    address: `127.0.0.1:${port}`,
    close() {
      server.forceShutdown();
      client.close();
    },
  };
}

function handOn(client: GrpcClient, path: string, call: ServerDuplexStream<Buffer, Buffer>): void {
  const out = client.makeBidiStreamRequest(path, same, same, new Metadata());
  out.on("error", () => undefined);
  out.on("status", (status: StatusObject) => {
    if (status.code === 0) call.end();
    else call.emit("error", status);
  });
  out.on("data", (bytes: Buffer) => void call.write(bytes));
  call.on("data", (bytes: Buffer) => void out.write(bytes));
  call.on("end", () => out.end());
  call.on("cancelled", () => out.cancel());
  call.on("error", () => undefined);
}

function note(by: string, request: Buffer, answer: Buffer, writes: Write[]): void {
  const { requestDeserialize, responseDeserialize } = etcdService("KV")["Txn"] as {
    requestDeserialize(bytes: Buffer): Txn;
    responseDeserialize(bytes: Buffer): TxnAnswer;
  } & object;
  const { succeeded, header } = responseDeserialize(answer);
  if (!succeeded) return;
  const { compare, success } = requestDeserialize(request);
  const fence = compare.find(({ key, target, result }) => {
    return (
      key.toString() === `${ROOT}${LEADER}` &&
      target.toUpperCase() === "CREATE" &&
      result.toUpperCase() === "EQUAL"
    );
  });
  const puts = success.flatMap(({ request_put: put }) =>
    put ? [put.key.toString("utf8").slice(ROOT.length)] : [],
  );
  const deletes = success.some(({ request_delete_range: range }) => range);
  if (puts.length === 0 && !deletes) return;
  const acquires = puts.includes(LEADER);
  writes.push({ by, rev: header.revision, epoch: fence?.create_revision, acquires, puts, deletes });
}
