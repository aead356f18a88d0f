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

  constructor(private readonly clock: Clock) {}

  add(kind: string, about: { campaign?: string; job?: string; node?: string }, message: string): void {
    this.seq += 1;
    const { campaign = "", job = "", node = "" } = about;
    this.events.push({ seq: this.seq, timeMs: this.clock.wallMs(), kind, campaign, job, node, message });
    if (this.events.length > KEPT) this.events.shift();
    for (const wake of [...this.waiters]) wake();
  }

  /** Events after `since`, then new ones until `signal` aborts. Throws out_of_range when some are forgotten. */
  async *follow(since: number, campaign: string, signal: AbortSignal): AsyncGenerator<FleetEvent> {
    let next = since + 1;
    while (!signal.aborted) {
      const oldest = this.events[0]?.seq ?? 1;
      if (next < oldest && since > 0) {
        throw new SaiError("out_of_range", `events before ${oldest} are forgotten, asked for ${next}`, {
          hint: "list the campaigns again and follow from the newest event",
        });
      }
      const batch = this.events.slice(Math.max(0, next - oldest));
      for (const event of batch) {
        if (signal.aborted) return;
        next = event.seq + 1;
        if (campaign === "" || event.campaign === campaign) yield event;
      }
      if (batch.length === 0) await this.changed(signal);
    }
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
