/** etcd's leases, call by call. A renewal has a short deadline at each endpoint, so that another is asked in time. */
import type { IDuplexStream, ILeaseKeepAliveRequest, ILeaseKeepAliveResponse } from "etcd3";
import type { Clock } from "../../../shared/runtime/clock.js";
import { isStoreError, StoreError } from "../store.js";
import type { Endpoints } from "./endpoints.js";

type KeepAlive = IDuplexStream<ILeaseKeepAliveRequest, ILeaseKeepAliveResponse>;

const READING_MS = 50;

export class LeaseCalls {
  readonly #endpoints: Endpoints;
  readonly #clock: Clock;

  constructor(endpoints: Endpoints, clock: Clock) {
    this.#endpoints = endpoints;
    this.#clock = clock;
  }

  /** A new lease's id. One whose reply was lost runs out by itself. */
  async grant(seconds: number): Promise<bigint> {
    const { ID } = await this.#endpoints.call(
      { repeatable: true, what: "granting a lease" },
      ({ lease }, deadline) => lease.leaseGrant({ TTL: String(seconds) }, { deadline }),
    );
    return BigInt(ID);
  }

  /** Rejects with LeaseNotFound when it is gone. */
  async renew(id: bigint, seconds: number): Promise<void> {
    const withinMs = (seconds * 1000) / 6;
    await this.#endpoints.call(
      { repeatable: true, what: `renewing lease ${id}`, withinMs, lease: id },
      ({ lease }) => lease.leaseKeepAlive().then((stream) => this.#once(stream, id, withinMs)),
    );
  }

  /** Harmless when it is gone. */
  async revoke(id: bigint): Promise<void> {
    await this.#endpoints
      .call({ repeatable: true, what: `revoking lease ${id}`, lease: id }, ({ lease }, deadline) =>
        lease.leaseRevoke({ ID: String(id) }, { deadline }),
      )
      .catch((error: unknown) => {
        if (!isStoreError(error, "LeaseNotFound")) throw error;
      });
  }

  /** One renewal on a stream of its own. */
  #once(stream: KeepAlive, id: bigint, withinMs: number): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      // A process that was held up reads what has come meanwhile before it gives up: timers are run first.
      const late = () => {
        cancelTimer = this.#clock.after(READING_MS, () => end(new Error("no answer in time")));
      };
      let cancelTimer = this.#clock.after(withinMs, late);
      const end = (error?: unknown) => {
        cancelTimer();
        stream.cancel();
        if (error === undefined) resolve();
        else reject(error);
      };
      stream.on("data", ({ TTL }) =>
        end(BigInt(TTL) > 0n ? undefined : new StoreError({ kind: "LeaseNotFound", lease: id })),
      );
      stream.on("error", end);
      stream.on("end", () => end(new Error("the stream was ended")));
      stream.write({ ID: String(id) });
    });
  }
}
