/**
 * Which attempt holds which GPUs of this node: whole ones, several at once (a gang), parts of one by memory, MIG slices. It
 * alone grants. It decides and remembers; what is on the disk, and whether a GPU that was given back is really free, is
 * for others to find out and to tell it.
 *
 * 1. A GPU is held whole by one attempt, or in parts by several whose memory fits together, or by nobody; a slice by one
 *    attempt. A GPU in MIG mode is held by its slices only.
 * 2. An attempt holds what it was granted until `freed` or `dirtied`, whatever is seen of the GPU meanwhile.
 * 3. What is dirty, not there, or not known to be free yet is granted to nobody.
 * 4. A gang is granted whole or not at all.
 *
 * In which order attempts ask is theirs: whoever lets single GPUs go past a waiting gang starves it.
 */
import { type GpuWish, laneOfWish, MOST_GPUS, sharesUpTo } from "../../shared/domain/gpu-lanes.js";

export type { GpuWish };

/** A GPU as the last good look saw it. */
export interface GpuPlace {
  uuid: string;
  /** Product name. */
  name: string;
  memoryBytes: number;
  /** There in MIG mode, though there may be none. */
  slices: readonly { uuid: string; profile: string; memoryBytes: number }[] | undefined;
}

/** A lane that this node serves. */
export interface GpuLane {
  lane: string;
  /** Product names of what serves it. */
  names: string[];
  /** Attempts it takes at once, if nobody else is there. */
  slots: number;
  /** What one of them gets. */
  memoryBytes: number;
}

export interface GpuLimits {
  /** Share of a GPU's memory that parts may have together, above 0 to 1. */
  memoryShare: number;
  /** Parts that a GPU is divided into at most. */
  parts: number;
  /** Memory that may be held at once, over all GPUs. */
  totalBytes?: number | undefined;
  /** Leases at once. */
  leases?: number | undefined;
}

/** What an attempt holds. */
export interface GpuHold {
  readonly name: string;
  readonly wish: GpuWish;
  /** GPUs, or the slice. */
  readonly uuids: readonly string[];
  /** held: it runs. freeing: it does not any more, and nobody knows yet whether the GPU is free. */
  readonly state: "held" | "freeing";
}

export class GpuLedger {
  private places: readonly GpuPlace[] = [];
  /** Until something changes what they are. */
  private offered: readonly GpuLane[] | undefined;
  private readonly holds = new Map<string, GpuHold>();
  /** Why they are given to nobody, by UUID. */
  private readonly dirt = new Map<string, string>();

  constructor(private readonly limits: GpuLimits) {}

  /** The GPUs there are now, in the order in which they are to be given out. */
  see(places: readonly GpuPlace[]): void {
    this.places = places;
    this.offered = undefined;
  }

  /** What could be granted here, by what is there and whole now. */
  lanes(): readonly GpuLane[] {
    this.offered ??= this.findLanes();
    return this.offered;
  }

  private findLanes(): GpuLane[] {
    const lanes: GpuLane[] = [];
    const add = (wish: GpuWish, from: readonly { name: string }[], slots: number, memoryBytes: number) => {
      const lane = laneOfWish(wish);
      const { totalBytes = Number.POSITIVE_INFINITY, leases = Number.POSITIVE_INFINITY } = this.limits;
      const most = Math.min(slots, leases, Math.floor(totalBytes / Math.max(1, memoryBytes)));
      if (lane !== undefined && most > 0)
        lanes.push({
          lane,
          names: [...new Set(from.map(({ name }) => name))].sort(),
          slots: most,
          memoryBytes,
        });
    };
    const whole = this.usable();
    for (let gpus = 1; gpus <= Math.min(whole.length, MOST_GPUS); gpus += 1) {
      const least = whole.map((place) => place.memoryBytes).sort((a, b) => a - b);
      const memoryBytes = least.slice(0, gpus).reduce((sum, bytes) => sum + bytes, 0);
      add({ kind: "whole", gpus }, whole, Math.floor(whole.length / gpus), memoryBytes);
    }
    for (const memoryBytes of sharesUpTo(Math.max(0, ...whole.map((place) => this.forParts(place))))) {
      const on = whole.filter((place) => this.forParts(place) >= memoryBytes);
      const roomOn = (place: GpuPlace) =>
        Math.min(this.limits.parts, Math.floor(this.forParts(place) / memoryBytes));
      add(
        { kind: "part", memoryBytes },
        on,
        on.reduce((sum, place) => sum + roomOn(place), 0),
        memoryBytes,
      );
    }
    const slices = this.places.flatMap(({ uuid, name, slices: own = [] }) =>
      this.dirt.has(uuid)
        ? []
        : own.map((slice) => ({ ...slice, name })).filter((one) => !this.dirt.has(one.uuid)),
    );
    for (const profile of new Set(slices.map((slice) => slice.profile))) {
      const own = slices.filter((slice) => slice.profile === profile);
      add({ kind: "slice", profile }, own, own.length, own[0]?.memoryBytes ?? 0);
    }
    return lanes;
  }

  /** Why this node could never grant it, whoever else is here; undefined if it could. */
  refusal(wish: GpuWish): string | undefined {
    const whole = this.places.filter(({ slices }) => slices === undefined);
    switch (wish.kind) {
      case "whole":
        if (wish.gpus <= whole.length) return undefined;
        return `${wish.gpus} GPUs are asked for, this node has ${whole.length} that are not in MIG mode`;
      case "part": {
        const most = Math.max(0, ...whole.map((place) => this.forParts(place)));
        if (wish.memoryBytes <= most) return undefined;
        return `${wish.memoryBytes} bytes of a GPU's memory are asked for, at most ${most} of one are given`;
      }
      case "slice": {
        const profiles = this.places.flatMap(({ slices = [] }) => slices.map(({ profile }) => profile));
        if (profiles.includes(wish.profile)) return undefined;
        const those =
          profiles.length > 0 ? `it has ${[...new Set(profiles)].join(", ")}` : "it has no slices";
        return `a MIG slice ${wish.profile} is asked for, ${those}`;
      }
    }
  }

  /** Grants it, or answers undefined when it is not free now. Throws when `name` holds something already. */
  grant(name: string, wish: GpuWish): GpuHold | undefined {
    if (this.holds.has(name)) throw new Error(`${name} holds GPUs already`);
    const uuids = this.find(wish).find((found) => this.withinLimits(wish, found));
    return uuids && this.hold(name, wish, uuids);
  }

  /** Notes what an attempt held before this process began, whether or not it is there now (invariant 2). */
  hold(name: string, wish: GpuWish, uuids: readonly string[]): GpuHold {
    const hold: GpuHold = { name, wish, uuids, state: "held" };
    this.holds.set(name, hold);
    return hold;
  }

  /** The attempt has ended; its GPUs are given to nobody until `freed` or `dirtied`. */
  freeing(name: string): void {
    const hold = this.holds.get(name);
    if (hold) this.holds.set(name, { ...hold, state: "freeing" });
  }

  /** Nothing of the attempt is left on its GPUs. */
  freed(name: string): void {
    this.holds.delete(name);
  }

  /** The attempt is over, and something is left on these of its GPUs. */
  dirtied(name: string, why: ReadonlyMap<string, string>): void {
    for (const [uuid, reason] of why) this.soil(uuid, reason);
    this.holds.delete(name);
  }

  /** Something is there that is none of this agent's. */
  soil(uuid: string, reason: string): void {
    this.dirt.set(uuid, reason);
    this.offered = undefined;
  }

  /** It is as it should be again. */
  clean(uuid: string): void {
    this.dirt.delete(uuid);
    this.offered = undefined;
  }

  /** Why a GPU or slice is given to nobody; undefined if it is not dirty. */
  dirtOf(uuid: string): string | undefined {
    return this.dirt.get(uuid);
  }

  /** All that is dirty, with the reasons, by UUID. */
  dirty(): ReadonlyMap<string, string> {
    return this.dirt;
  }

  /** Product names of GPUs, or of the GPUs that slices are of, each once; nothing of those that are not there. */
  namesOf(uuids: readonly string[]): string[] {
    const own = this.places.filter((place) =>
      [place, ...(place.slices ?? [])].some(({ uuid }) => uuids.includes(uuid)),
    );
    return [...new Set(own.map(({ name }) => name))].sort();
  }

  /**
   * What a hold has of its one GPU, above 0 to 1; undefined when it has GPUs whole. A part has its share of the memory; a
   * slice the larger of that and its compute slices of seven, which is what nobody else can have then.
   */
  shareOf({ wish, uuids }: Pick<GpuHold, "wish" | "uuids">): number | undefined {
    if (wish.kind === "whole") return undefined;
    const [uuid = ""] = uuids;
    const gpu = this.places.find((place) =>
      [place, ...(place.slices ?? [])].some((one) => one.uuid === uuid),
    );
    const ofMemory = gpu ? this.bytesOf(wish, uuids) / gpu.memoryBytes : 0;
    const compute = wish.kind === "slice" ? Number.parseInt(wish.profile, 10) / MIG_SLICES : 0;
    const share = Math.min(1, Math.max(ofMemory, Number.isFinite(compute) ? compute : 0));
    return share > 0 ? share : 1; // of a GPU that is not seen now
  }

  /** All that is held, oldest first. */
  list(): GpuHold[] {
    return [...this.holds.values()];
  }

  private withinLimits(wish: GpuWish, uuids: readonly string[]): boolean {
    const { totalBytes = Number.POSITIVE_INFINITY, leases = Number.POSITIVE_INFINITY } = this.limits;
    const held = this.list().reduce((sum, hold) => sum + this.bytesOf(hold.wish, hold.uuids), 0);
    return this.holds.size < leases && held + this.bytesOf(wish, uuids) <= totalBytes;
  }

  private bytesOf(wish: GpuWish, uuids: readonly string[]): number {
    if (wish.kind === "part") return wish.memoryBytes;
    const all = this.places.flatMap((place) => [place, ...(place.slices ?? [])]);
    return all.filter(({ uuid }) => uuids.includes(uuid)).reduce((sum, one) => sum + one.memoryBytes, 0);
  }

  /** What could serve it now, the best first. */
  private find(wish: GpuWish): string[][] {
    if (wish.kind === "whole") return this.whole(wish.gpus);
    const found = wish.kind === "slice" ? this.slice(wish.profile) : this.part(wish.memoryBytes);
    return found ? [found] : [];
  }

  /** The first that are free; then the smallest, which may be within a limit of memory where the first are not. */
  private whole(gpus: number): string[][] {
    const free = this.usable().filter(({ uuid }) => this.on(uuid).length === 0);
    if (gpus < 1 || free.length < gpus) return []; // invariant 4
    const smallest = [...free].sort((a, b) => a.memoryBytes - b.memoryBytes);
    return [free, smallest].map((those) => those.slice(0, gpus).map(({ uuid }) => uuid));
  }

  /** The fullest that has room, so that whole ones stay free for those who need them. */
  private part(memoryBytes: number): string[] | undefined {
    let best: { uuid: string; left: number } | undefined;
    for (const place of this.usable()) {
      const here = this.on(place.uuid);
      const left = this.forParts(place) - here.reduce((sum, { wish }) => sum + partOf(wish), 0);
      if (here.some(({ wish }) => wish.kind !== "part") || here.length >= this.limits.parts) continue;
      if (left >= memoryBytes && (best === undefined || left < best.left)) best = { uuid: place.uuid, left };
    }
    return best && [best.uuid];
  }

  private slice(profile: string): string[] | undefined {
    for (const { uuid: gpu, slices = [] } of this.places) {
      if (this.dirt.has(gpu) || this.on(gpu).length > 0) continue; // MIG mode began while it was held
      const free = slices.find(
        (slice) =>
          slice.profile === profile && !this.dirt.has(slice.uuid) && this.on(slice.uuid).length === 0,
      );
      if (free) return [free.uuid];
    }
    return undefined;
  }

  /** Those that could be given out whole or in parts, if nobody had them. */
  private usable(): GpuPlace[] {
    return this.places.filter(({ uuid, slices }) => slices === undefined && !this.dirt.has(uuid));
  }

  private on(uuid: string): GpuHold[] {
    return this.list().filter(({ uuids }) => uuids.includes(uuid));
  }

  private forParts({ memoryBytes }: GpuPlace): number {
    return Math.floor(memoryBytes * this.limits.memoryShare);
  }
}

/** Compute slices of a GPU in MIG mode. */
const MIG_SLICES = 7;

const partOf = (wish: GpuWish): number => (wish.kind === "part" ? wish.memoryBytes : 0);
