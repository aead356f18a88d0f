/**
 * The event log: transitions of campaigns, jobs, shards and nodes, numbered, the newest 10,000 kept. Readers follow it
 * by number; one that falls out of what is kept is told so and fetches the whole picture again.
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

const KEPT = 10_000;

export class EventLog {
  private readonly events: FleetEvent[] = [];
  private seq = 0;
  private readonly waiters = new Set<() => void>();

  constructor(
    private readonly clock: Clock,
    private readonly kept = KEPT,
  ) {}

  add(kind: string, about: { campaign?: string; job?: string; node?: string }, message: string): void {
    this.seq += 1;
    const { campaign = "", job = "", node = "" } = about;
    this.events.push({ seq: this.seq, timeMs: this.clock.wallMs(), kind, campaign, job, node, message });
    if (this.events.length > this.kept) this.events.shift();
    for (const wake of [...this.waiters]) wake();
  }

  /**
   * Events after `since` (0: from the oldest kept), then new ones until `signal` aborts. Throws out_of_range when
   * events between were forgotten, or when `since` lies ahead: its numbers are those of another coordinator.
   */
  async *follow(since: number, campaign: string, signal: AbortSignal): AsyncGenerator<FleetEvent> {
    if (since > this.seq) throw lostTrack(`the newest event is ${this.seq}, asked for those after ${since}`);
    let next = since > 0 ? since + 1 : this.oldest();
    while (!signal.aborted) {
      if (next < this.oldest())
        throw lostTrack(`events before ${this.oldest()} are forgotten, next was ${next}`);
      const batch = this.events.slice(next - this.oldest());
      for (const event of batch) {
        if (signal.aborted) return;
        next = event.seq + 1;
        if (campaign === "" || event.campaign === campaign) yield event;
      }
      if (batch.length === 0) await this.changed(signal);
    }
  }

  /** The number of the oldest event kept; of the next one if there is none. */
  private oldest(): number {
    return this.events[0]?.seq ?? this.seq + 1;
  }

  /** Resolves at the next event or when `signal` aborts. */
  changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.waiters.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.waiters.add(wake);
      signal.addEventListener("abort", wake, { once: true });
    });
  }
}

const lostTrack = (message: string): SaiError =>
  new SaiError("out_of_range", message, {
    hint: "list the campaigns again and follow from the newest event",
  });
