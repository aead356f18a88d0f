/**
 * etcd seen with a test's own eyes: its protocol from the proto files that etcd3 brings along, and nothing of the
 * program's store code. `EtcdEyes` keeps every modification of the program's keys from the first revision on.
 */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import {
  type ClientDuplexStream,
  credentials,
  Client as GrpcClient,
  type MethodDefinition,
  type ServiceDefinition,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const proto = join(dirname(createRequire(import.meta.url).resolve("etcd3/package.json")), "proto/rpc.proto");
const loaded = loadSync(proto, { keepCase: true, longs: Number, enums: String, defaults: true });
/** The definition of one of etcd's services; 64-bit numbers as numbers, bytes as Buffer. */
export const etcdService = (name: string) => loaded[`etcdserverpb.${name}`] as ServiceDefinition;

export const ROOT = "/sai/v1/";
const RANGE = { key: Buffer.from(ROOT), range_end: Buffer.from("/sai/v10") };

export type Value = { readonly [field: string]: unknown };

/** One modification of one key. */
export interface Change {
  rev: number;
  kind: "put" | "delete";
  /** Without `/sai/v1/`. */
  key: string;
  /** Undefined for a delete. */
  value: Value | undefined;
  createRev: number;
  version: number;
}

interface RawKv {
  key: Buffer;
  value: Buffer;
  create_revision: number;
  mod_revision: number;
  version: number;
}

interface WatchAnswer {
  header: { revision: number };
  created: boolean;
  canceled: boolean;
  compact_revision: number;
  cancel_reason: string;
  events: { type: string; kv: RawKv }[];
}

const LIMITS = { "grpc.max_receive_message_length": 256 * 1024 * 1024, "grpc.use_local_subchannel_pool": 1 };
const CALL_MS = 5_000;

export class EtcdEyes {
  /** In the order of revisions. */
  readonly changes: Change[] = [];
  private readonly clients: GrpcClient[];
  private stream: ClientDuplexStream<object, WatchAnswer> | undefined;
  private reached = 0;
  private last = 0;
  private closed = false;
  private lost: string | undefined;
  private readonly watching: Promise<void>;

  /** Watches through one of the members `host:port` after the other, from the first revision. */
  constructor(addresses: readonly string[]) {
    this.clients = addresses.map((address) => new GrpcClient(address, credentials.createInsecure(), LIMITS));
    this.watching = this.watch();
  }

  /** Every key there is now. Throws when no member answers. */
  async read(): Promise<Map<string, Value>> {
    const { kvs } = await this.ask<{ kvs: RawKv[] }>("KV", "Range", RANGE);
    return new Map(kvs.map((kv) => [nameOf(kv), jsonOf(kv.value)]));
  }

  /** The store's revision now. */
  async revision(): Promise<number> {
    const request = { key: Buffer.from("/") };
    return (await this.ask<{ header: { revision: number } }>("KV", "Range", request)).header.revision;
  }

  /** Forgets every revision before `revision`, as far as etcd allows. */
  async compact(revision: number): Promise<void> {
    await this.ask("KV", "Compact", { revision, physical: true });
  }

  /** Writes a key that is none of the program's, so that there is a revision more; that revision. */
  async tick(): Promise<number> {
    const request = { key: Buffer.from("/tick"), value: Buffer.from("") };
    return (await this.ask<{ header: { revision: number } }>("KV", "Put", request)).header.revision;
  }

  /** Resolves when `changes` has everything up to now. */
  async settled(): Promise<void> {
    const target = await this.revision();
    for (const endMs = Date.now() + 30_000; this.reached < target && this.last < target; ) {
      if (this.lost !== undefined) throw new Error(`the recording of etcd's history broke off: ${this.lost}`);
      if (Date.now() > endMs) throw new Error(`etcd's history is recorded to ${this.reached} of ${target}`);
      this.stream?.write({ progress_request: {} });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    this.stream?.cancel();
    await this.watching;
    for (const client of this.clients) client.close();
  }

  private async watch(): Promise<void> {
    for (let turn = 0; !this.closed && this.lost === undefined; turn++) {
      const { path, requestSerialize, responseDeserialize } = etcdService("Watch")["Watch"] as Method;
      const client = this.clients[turn % this.clients.length] as GrpcClient;
      const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
      this.stream = stream;
      stream.on("error", () => undefined);
      stream.on("data", (answer: WatchAnswer) => this.take(answer));
      stream.write({ create_request: { ...RANGE, start_revision: Math.max(this.last + 1, 1) } });
      await new Promise((resolve) => stream.once("status", resolve));
      if (!this.closed) await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  private take({ header, created, canceled, compact_revision, cancel_reason, events }: WatchAnswer): void {
    if (canceled) {
      if (compact_revision > 0) this.lost = `${cancel_reason}, compacted at ${compact_revision}`;
      this.stream?.cancel();
      return;
    }
    if (!created && events.length === 0) this.reached = Math.max(this.reached, header.revision);
    for (const { type, kv } of events) {
      const put = type.toUpperCase() === "PUT";
      this.changes.push({
        rev: kv.mod_revision,
        kind: put ? "put" : "delete",
        key: nameOf(kv),
        value: put ? jsonOf(kv.value) : undefined,
        createRev: kv.create_revision,
        version: kv.version,
      });
      this.last = kv.mod_revision;
    }
  }

  /** A call, at one member after the other. */
  private async ask<A>(service: string, method: string, request: object): Promise<A> {
    let last: unknown;
    for (const client of this.clients) {
      try {
        return await this.unary<A>(client, etcdService(service)[method] as Method, request);
      } catch (error) {
        last = error;
      }
    }
    throw last;
  }

  private unary<A>(client: GrpcClient, method: Method, request: object): Promise<A> {
    const { path, requestSerialize, responseDeserialize } = method;
    return new Promise((resolve, reject) => {
      const deadline = Date.now() + CALL_MS;
      client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        { deadline },
        (error, answer) => (error ? reject(error) : resolve(answer as A)),
      );
    });
  }
}

// biome-ignore lint/suspicious/noExplicitAny: the messages are known at run time only
type Method = MethodDefinition<any, any>;

const nameOf = ({ key }: RawKv): string => {
  const name = key.toString("utf8");
  return name.startsWith(ROOT) ? name.slice(ROOT.length) : name;
};

/** The JSON of a value; records that travel with a result are behind it and a line's end. */
export function jsonOf(bytes: Buffer): Value {
  const [json = ""] = bytes.toString("utf8").split("\n", 1);
  return JSON.parse(json) as Value;
}
