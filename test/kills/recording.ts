/** What is recorded while a world on etcd runs: etcd's own history, who asked for it, and the events people are sent. */
import { type Event, StreamEventsRequest } from "../../shared/gen/sai/v1/event.js";
import type { SeenEvent } from "../faults/history.js";
import type { EtcdCluster } from "../support/etcd.js";
import { EtcdEyes } from "../support/etcd-eyes.js";
import { type EtcdTap, tapEtcd, type Write } from "../support/etcd-tap.js";
import { pause } from "./waiting.js";
import type { World } from "./world.js";

export class Recording {
  readonly events: SeenEvent[] = [];
  private closed = false;
  private following: Promise<void> | undefined;
  private cancel: () => void = () => {};

  private constructor(
    readonly eyes: EtcdEyes,
    /** Undefined where nobody is tapped. */
    readonly writes: Write[] | undefined,
    private readonly taps: ReadonlyMap<string, EtcdTap>,
    private readonly addresses: readonly string[],
  ) {}

  /** `tapped`: coordinators that get to etcd's first member through a tap of their own. */
  static async start(etcd: EtcdCluster, tapped: readonly string[] | undefined): Promise<Recording> {
    const addresses = etcd.members.map(({ address }) => address);
    const taps = new Map<string, EtcdTap>();
    const writes: Write[] = [];
    for (const name of tapped ?? []) taps.set(name, await tapEtcd(addresses[0] ?? "", name, writes));
    return new Recording(new EtcdEyes(addresses), tapped && writes, taps, addresses);
  }

  /** Where a coordinator finds etcd. */
  endpointsOf(coordinator: string): string[] {
    const tap = this.taps.get(coordinator);
    return (tap ? [tap.address] : this.addresses).map((address) => `http://${address}`);
  }

  /** Reads the fleet's events as one who is always there does. */
  follow(world: World): void {
    this.following = this.readEvents(world);
  }

  async close(): Promise<void> {
    this.closed = true;
    this.cancel();
    await this.following;
    await this.eyes.close();
    for (const tap of this.taps.values()) tap.close();
  }

  private async readEvents(world: World): Promise<void> {
    while (!this.closed) {
      const { epoch = "", seq: since = 0 } = this.events.at(-1) ?? {};
      const { api } = world;
      const stream = api.events.streamEvents(StreamEventsRequest.fromPartial({ since, epoch }));
      this.cancel = () => stream.cancel();
      // A coordinator that stands still says nothing, nor does it hang up.
      const stuck = setInterval(() => api === world.api || stream.cancel(), 500);
      await new Promise<void>((resolve) => {
        stream.on("data", ({ event }: { event?: Event }) => event && this.take(event));
        stream.on("error", () => resolve());
        stream.on("end", () => resolve());
      });
      clearInterval(stuck);
      if (!this.closed) await pause(100);
    }
  }

  private take({ epoch, seq, kind, campaignId: campaign, jobId: job, nodeId: node, message }: Event): void {
    this.events.push({ epoch, seq, kind, campaign, job, node, message });
  }
}
