/**
 * The way to etcd: one connection pool of etcd3 for each endpoint, with its own fault handling switched off, because it
 * sends again what may have been done, and blocks a healthy server for an error of ours. What is done instead:
 *
 * 1. A call goes to the current endpoint. What certainly was not done is sent to the next one, until each was tried.
 * 2. A write whose reply was lost is never sent again: OutcomeUnknown. Reads are, and what may be done twice: a lease
 *    that is granted, renewed or revoked, a compaction.
 * 3. An endpoint that does not answer is left for the next one, by later calls too.
 * 4. Unary calls have a deadline, streams have none; a connection that is dead is noticed by its keepalive.
 */
import type { IOptions } from "etcd3";
import { KVClient, LeaseClient, MaintenanceClient, WatchClient } from "etcd3";
import { ConnectionPool } from "etcd3/lib/connection-pool.js";
import { type Rev, StoreError } from "../store.js";
import { type Fate, fateOf } from "./errors.js";

export interface EtcdAccess {
  /** Such as `http://10.0.0.1:2379`; all with TLS or none. */
  endpoints: readonly string[];
  user?: { name: string; password: string };
  /** PEM. Without it an `https://` endpoint is checked against the system's authorities. */
  tls?: { ca?: Buffer; key?: Buffer; cert?: Buffer };
  /** How long a unary call may take, ms; default 3 s. */
  callMs?: number;
}

/** Callers of one endpoint. */
export interface Clients {
  kv: KVClient;
  lease: LeaseClient;
  watch: WatchClient;
  maintenance: MaintenanceClient;
}

interface Endpoint {
  readonly url: string;
  readonly pool: ConnectionPool;
  readonly clients: Clients;
}

export interface CallOptions {
  /** Reads and renewals change nothing and may be sent again. */
  repeatable: boolean;
  /** What the error is about, for people. */
  what: string;
  /** The lease an operation names. */
  lease?: bigint;
  /** For one endpoint, ms. */
  withinMs?: number;
  signal?: AbortSignal | undefined;
  /** The compaction that a read fell behind; asked only then. */
  compactRev?: () => Promise<Rev>;
}

/** A write that was on its way to a leader that died is not answered: it waits for so long, and others go on then. */
const CALL_MS = 3_000;
const CHANNEL = {
  "grpc.max_receive_message_length": 64 * 1024 * 1024,
  // Servers count pings that come more often than every 5 s as abuse.
  "grpc.keepalive_time_ms": 6_000,
  // Longer than a loop that is held up; calls have their own deadlines.
  "grpc.keepalive_timeout_ms": 5_000,
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1_000,
  "grpc.enable_retries": 0,
};

export class Endpoints {
  readonly #all: readonly Endpoint[];
  readonly #callMs: number;
  #current: number;
  /** Whether a write was refused for want of space since one went through: only then is a refusal certain. */
  #full = false;

  /** `first`: which endpoint is asked first, so that the clients of a cluster spread over it. */
  constructor(access: EtcdAccess, first = 0) {
    this.#all = access.endpoints.map((url) => connect(url, access));
    this.#callMs = access.callMs ?? CALL_MS;
    this.#current = first % this.#all.length;
  }

  /** A unary call. Throws StoreError. */
  async call<T>(o: CallOptions, run: (clients: Clients, deadline: number) => Promise<T>): Promise<T> {
    let fate: Fate = { kind: "not_sent", what: "there is no endpoint" };
    for (let tried = 0; tried < this.#all.length; tried++) {
      o.signal?.throwIfAborted();
      const at = this.#current;
      const wasFull = this.#full;
      try {
        const deadline = Date.now() + (o.withinMs ?? this.#callMs);
        const answer = await unlessAborted(run(this.#at(at).clients, deadline), o.signal);
        if (!o.repeatable) this.#full = false;
        return answer;
      } catch (error) {
        o.signal?.throwIfAborted();
        fate = fateOf(error);
        if (fate.kind !== "not_sent" && fate.kind !== "lost" && fate.kind !== "refused_here")
          throw await this.#refusal(fate, o, wasFull);
        this.leave(at); // invariant 3
        if (fate.kind === "lost" && !o.repeatable)
          throw new StoreError({ kind: "OutcomeUnknown", what: `${o.what}: ${fate.what}` }, error);
      }
    }
    throw new StoreError({ kind: "Unavailable", what: `${o.what}: ${fate.what} (${this.#names()})` });
  }

  /** The endpoint that is asked now, for a stream. */
  get current(): { at: number; url: string; clients: Clients } {
    const { url, clients } = this.#at(this.#current);
    return { at: this.#current, url, clients };
  }

  /** Goes on to the next endpoint, unless somebody did already. */
  leave(at: number): void {
    if (at === this.#current) this.#current = (at + 1) % this.#all.length;
  }

  close(): void {
    for (const { pool } of this.#all) pool.close();
  }

  /** `wasFull`: a write had been refused for want of space before this one was sent. */
  async #refusal(fate: Fate, o: CallOptions, wasFull: boolean): Promise<StoreError> {
    switch (fate.kind) {
      case "refused":
        return fate.error;
      case "lease_not_found":
        return new StoreError({ kind: "LeaseNotFound", lease: o.lease ?? 0n });
      case "compacted":
        return new StoreError({ kind: "Compacted", compactRev: (await o.compactRev?.()) ?? (0n as Rev) });
      case "no_space": {
        this.#full = true;
        const what = "etcd's database has reached its quota (--quota-backend-bytes)";
        if (!wasFull) return new StoreError({ kind: "OutcomeUnknown", what: `${o.what}: ${what}` });
        return new StoreError({ kind: "NoSpace", usedBytes: 0, quotaBytes: 0, disk: what });
      }
      default:
        return new StoreError({ kind: "Unavailable", what: `${o.what}: ${fate.what}` });
    }
  }

  #at(i: number): Endpoint {
    return this.#all[i] as Endpoint;
  }

  #names(): string {
    return this.#all.map(({ url }) => url).join(", ");
  }
}

function connect(url: string, { user, tls, callMs = CALL_MS }: EtcdAccess): Endpoint {
  const pool = new ConnectionPool({
    hosts: url,
    grpcOptions: CHANNEL,
    faultHandling: { host: () => asItIs, global: asItIs },
    ...(user && {
      auth: {
        username: user.name,
        password: user.password,
        callOptions: () => ({ deadline: Date.now() + callMs }),
      },
    }),
    ...(tls && {
      credentials: {
        rootCertificate: tls.ca as Buffer, // without one the system's authorities count
        ...(tls.key && { privateKey: tls.key }),
        ...(tls.cert && { certChain: tls.cert }),
      },
    }),
  });
  const strict = withLeader(pool);
  return {
    url,
    pool,
    clients: {
      kv: new KVClient(pool),
      lease: new LeaseClient(strict), // a renewal that is done is no reason to close the endpoint's connections
      watch: new WatchClient(strict),
      maintenance: new MaintenanceClient(pool),
    },
  };
}

/** Streams end when their server loses sight of the leader, instead of being silent for as long. */
function withLeader(pool: ConnectionPool): ConstructorParameters<typeof WatchClient>[0] {
  return {
    exec: (...args) => pool.exec(...args),
    withConnection: (service, fn) =>
      pool.withConnection(service, (connection) => {
        const metadata = connection.metadata.clone();
        metadata.set("hasleader", "true");
        return fn({ ...connection, metadata });
      }),
    markFailed: () => undefined,
    callOptionsFactory: undefined,
  };
}

type Policy = NonNullable<NonNullable<IOptions["faultHandling"]>["global"]>;
const never = new AbortController().signal;
const nothing = { dispose: () => undefined };
/** A policy that calls once and passes on whatever comes. */
const asItIs = {
  execute: async (run: (context: { signal: AbortSignal }) => unknown) => run({ signal: never }),
  onSuccess: () => nothing,
  onFailure: () => nothing,
} as unknown as Policy;

/** The call itself runs on to its deadline. */
function unlessAborted<T>(call: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return call;
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    call.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
