/**
 * The event log: transitions of campaigns, jobs, shards and nodes, numbered, the newest 10,000 kept. Readers follow it
 * by number; one that falls out of what is kept is told so and fetches the whole picture again.
 *
 * 1. Numbers rise by one and begin at 1 with each log: they mean something only within one epoch of one coordinator.
 * 2. Memory is bounded by what is kept, however slowly whoever reads: a reader holds a number, not events.
 */
import type { Clock } from "../shared/runtime/clock.js";
import { SaiError } from "../shared/runtime/errors.js";

export interface FleetEvent {
  seq: number;
  /** Wall ms since 1970. */
  timeMs: number;
  /** Noun and verb, such as `campaign.running`. */
  kind: string;
  campaign: string;
  job: string;
  node: string;
  /** One sentence for people. */
  message: string;
}

/** Which events a reader wants; "" is any. */
export interface EventFilter {
  campaign: string;
  node: string;
}

const KEPT = 10_000;
const ALL: EventFilter = { campaign: "", node: "" };

export class EventLog {
  /** Event n is at n modulo `kept`. */
  private readonly ring: FleetEvent[] = [];
  private seq = 0;
  private readonly waiters = new Map<(seq: number) => void, EventFilter>();

  constructor(
    private readonly clock: Clock,
    private readonly kept = KEPT,
  ) {}

  add(kind: string, about: { campaign?: string; job?: string; node?: string }, message: string): void {
    this.seq += 1;
    const { campaign = "", job = "", node = "" } = about;
    const event = { seq: this.seq, timeMs: this.clock.wallMs(), kind, campaign, job, node, message };
    this.ring[this.seq % this.kept] = event;
    for (const [wake, filter] of [...this.waiters]) if (matches(event, filter)) wake(this.seq);
  }

  /**
   * Events after `since` (0: from the oldest kept), then new ones until `signal` aborts, or, with `untilNow`, until the
   * newest there was at the call. Throws out_of_range when events between were forgotten, or when `since` lies ahead:
   * its numbers are those of another coordinator.
   */
  async *follow(
    since: number,
    filter: EventFilter,
    signal: AbortSignal,
    untilNow = false,
  ): AsyncGenerator<FleetEvent> {
    if (since > this.seq) throw lostTrack(`the newest event is ${this.seq}, asked for those after ${since}`);
    let next = since > 0 ? since + 1 : this.oldest();
    const last = untilNow ? this.seq : Number.POSITIVE_INFINITY;
    while (!signal.aborted && next <= last) {
      if (next < this.oldest())
        throw lostTrack(`events before ${this.oldest()} are forgotten, next was ${next}`);
      const event = next > this.seq ? undefined : this.ring[next % this.kept];
      // Those a filter keeps out pass by while it sleeps: they are not missed.
      if (event === undefined) next = await this.changed(signal, filter);
      else {
        next += 1;
        if (matches(event, filter)) yield event;
      }
    }
  }

  /** The number of the oldest event kept; of the next one if there is none. */
  private oldest(): number {
    return Math.max(1, this.seq - this.kept + 1);
  }

  /** Resolves with the number of the next event that `filter` lets through; with 0 when `signal` aborts. */
  changed(signal: AbortSignal, filter: EventFilter = ALL): Promise<number> {
    if (signal.aborted) return Promise.resolve(0);
    return new Promise((resolve) => {
      const wake = (seq: number) => {
        this.waiters.delete(wake);
        signal.removeEventListener("abort", leave);
        resolve(seq);
      };
      const leave = () => wake(0);
      this.waiters.set(wake, filter);
      signal.addEventListener("abort", leave, { once: true });
    });
  }
}

const matches = (event: FleetEvent, { campaign, node }: EventFilter): boolean =>
  (campaign === "" || event.campaign === campaign) && (node === "" || event.node === node);

const lostTrack = (message: string): SaiError =>
  new SaiError("out_of_range", message, {
    hint: "list the campaigns again and follow from the newest event",
  });
