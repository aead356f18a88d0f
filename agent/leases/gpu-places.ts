/**
 * Places on GPUs: leases with what is loaded there. A lease outlives its attempt, so that the next one of the same model finds
 * it loaded; it is given up when somebody else needs the GPUs, or nobody came for a while.
 *
 * 1. A place is used by one attempt at a time.
 * 2. Given up means: what was loaded is unloaded, and the lease is released, which waits until the GPUs are seen to be free.
 * 3. What a failed attempt used is not used again.
 */
import { laneOfWish, wishOfLane } from "../../shared/domain/gpu-lanes.js";
import type { Clock } from "../../shared/runtime/clock.js";
import { errorText } from "../../shared/runtime/errors.js";
import type { Logger } from "../../shared/runtime/logger.js";
import type { GpuLeases } from "./gpu-leases.js";
import type { GpuHold, GpuLane, GpuWish } from "./gpu-ledger.js";

export interface GpuPlacesParts {
  leases: Pick<
    GpuLeases,
    "take" | "release" | "refusal" | "lanes" | "namesOf" | "shareOf" | "limited" | "now" | "close"
  >;
  /** Unloads what is loaded under a lease. */
  unload(lease: string): Promise<void>;
  /** Of a new lease; never the same twice. */
  newId(): string;
  /** How long a model stays loaded on GPUs that nobody asks for, ms. */
  idleMs: number;
  clock: Clock;
  log: Logger;
  /** There may be room that was not there. */
  changed(): void;
}

/** What an attempt uses while it runs. */
export interface GpuPlace {
  lease: string;
  lane: string;
  uuids: readonly string[];
  /** Product names of these. */
  names: readonly string[];
  /** Of a shared GPU; absent where it is the attempt's alone. */
  memoryBytes?: number;
  /** Of the one GPU, where it is leased in part or as a slice; above 0 to 1. */
  share?: number;
}

/** A lease as it is told. */
export interface ToldLease {
  id: string;
  lane: string;
  uuids: readonly string[];
  /** running, idle (its model is loaded), freeing (nobody knows yet whether the GPUs are free). */
  state: "running" | "idle" | "freeing";
  /** The attempt that runs there, or did last. */
  attempt: string;
  model: string;
}

interface Open {
  place: GpuPlace;
  model: string;
  attempt: string;
  state: "running" | "idle" | "closing";
  /** Ends the wait for somebody who wants what is loaded. */
  cancelIdle: () => void;
}

export class GpuPlaces {
  /** Oldest use first. */
  private readonly open = new Map<string, Open>();
  private readonly closings = new Set<Promise<void>>();
  private closed = false;

  constructor(private readonly parts: GpuPlacesParts) {}

  lanes(): readonly GpuLane[] {
    return this.parts.leases.lanes();
  }

  /** Why this node could never take attempts of the lane; undefined if it could. */
  refusal(lane: string): string | undefined {
    const wish = wishOfLane(lane);
    return wish === undefined ? `${lane} is no lane of GPUs` : this.parts.leases.refusal(wish);
  }

  /** A place for an attempt; undefined when there is none now: then `changed` tells when to ask again. Never throws. */
  async take(attempt: string, lane: string, model: string): Promise<GpuPlace | undefined> {
    const wish = wishOfLane(lane);
    if (wish === undefined) return undefined;
    for (const open of this.open.values()) {
      if (open.state !== "idle" || open.place.lane !== lane || open.model !== model) continue;
      return this.use(open, attempt);
    }
    const hold = await this.lease(wish, { attempt, model });
    if (hold === undefined) {
      this.makeRoom(wish);
      return undefined;
    }
    const { name: lease, uuids } = hold;
    const place: GpuPlace = { lease, lane, uuids, names: this.parts.leases.namesOf(uuids) };
    if (wish.kind === "part") place.memoryBytes = wish.memoryBytes;
    const share = this.parts.leases.shareOf(hold);
    if (share !== undefined) place.share = share;
    return this.use({ place, model, attempt, state: "idle", cancelIdle: () => {} }, attempt);
  }

  /**
   * The attempt needs its place no more; `spoiled`: what is loaded there must not be used again. Saying it again is harmless:
   * by then another attempt may have the place.
   */
  giveBack(place: GpuPlace, attempt: string, spoiled: boolean): void {
    const open = this.open.get(place.lease);
    if (open?.state !== "running" || open.attempt !== attempt) return;
    open.state = "idle";
    if (spoiled || this.closed) this.giveUp(open);
    else open.cancelIdle = this.parts.clock.after(this.parts.idleMs, () => this.giveUp(open));
    this.parts.changed();
  }

  /** All leases there are, oldest first, and what is given to nobody, with the reason, by UUID. */
  told(): { leases: ToldLease[]; dirty: Map<string, string> } {
    const { holds, dirty } = this.parts.leases.now();
    const leases = holds.flatMap((hold): ToldLease[] => {
      const open = this.open.get(hold.name);
      const attempt = open?.attempt ?? hold.attempt ?? "";
      // Its GPUs are still being looked at, and may turn out not to be free.
      if (attempt === "") return [];
      const state = open?.state ?? "running";
      return [
        {
          ...{ id: hold.name, uuids: hold.uuids, lane: laneOfWish(hold.wish) ?? "" },
          state: hold.state === "freeing" || state === "closing" ? "freeing" : state,
          ...{ attempt, model: hold.model ?? "" },
        },
      ];
    });
    return { leases, dirty };
  }

  /** Gives up everything; resolves when all is unloaded and seen to be free, or not looked at any more. */
  async close(): Promise<void> {
    this.closed = true;
    for (const open of this.open.values()) this.giveUp(open);
    await Promise.all(this.closings);
  }

  private use(open: Open, attempt: string): GpuPlace {
    open.cancelIdle();
    open.state = "running";
    open.attempt = attempt;
    this.open.delete(open.place.lease);
    this.open.set(open.place.lease, open);
    return open.place;
  }

  private async lease(
    wish: GpuWish,
    whose: { attempt: string; model: string },
  ): Promise<GpuHold | undefined> {
    try {
      return await this.parts.leases.take(this.parts.newId(), wish, whose);
    } catch (error) {
      this.parts.log.error({ reason: errorText(error), ...whose }, "no lease can be taken");
      return undefined;
    }
  }

  /** Gives up idle places that stand in the way of a wish, one after the other: each is asked again after. */
  private makeRoom(wish: GpuWish): void {
    const all = [...this.open.values()];
    const inTheWay = all.filter(({ place: { lane } }) =>
      wish.kind === "slice" ? lane === laneOfWish(wish) : wishOfLane(lane)?.kind !== "slice",
    );
    // Under limits of the whole node each lease may be in the way of each.
    for (const those of this.parts.leases.limited ? [inTheWay, all] : [inTheWay]) {
      // One that is on its way out may be enough.
      if (those.some(({ state }) => state === "closing")) return;
      const oldest = those.find(({ state }) => state === "idle");
      if (oldest === undefined) continue;
      this.giveUp(oldest);
      return;
    }
  }

  private giveUp(open: Open): void {
    if (open.state === "closing") return;
    open.cancelIdle();
    open.state = "closing";
    const { lease } = open.place;
    const closing = (async () => {
      await this.parts.unload(lease).catch((error) => {
        this.parts.log.warn({ lease, reason: errorText(error) }, "unloading failed");
      });
      await this.parts.leases.release(lease);
    })();
    const done = closing.finally(() => {
      this.open.delete(lease);
      this.closings.delete(done);
      this.parts.changed();
    });
    this.closings.add(done);
  }
}
