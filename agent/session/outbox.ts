/**
 * What one session has to say, put together and handed to the stream at the pace of its reader.
 *
 * 1. News of one kind that come within 5 ms are one message, below 256 KiB, unless they are few; of what only the
 *    newest counts, only the newest is sent. Kinds keep the order in which they first had something to say.
 * 2. Nothing is handed over after the stream asked for a pause until it has drained. A reader that takes longer than
 *    30 s, or lets more than 1,000 messages or 4 MiB pile up, is hung up on: its next session hears everything again.
 * 3. A sign of life goes before everything else that waits.
 */
import type { AgentMessage } from "../../shared/gen/sai/agent/v1/session.js";
import type { Clock } from "../../shared/runtime/clock.js";
import { Company } from "../../shared/runtime/company.js";
import { SaiError } from "../../shared/runtime/errors.js";
import type { Link } from "./link.js";

export type Body = NonNullable<AgentMessage["body"]>;

export interface OutboxParts {
  link: Link;
  /** Who speaks. */
  envelope(): Omit<AgentMessage, "body">;
  /** Asked before what waits is sent: adds what is only known then. */
  beforeFlush(): void;
  /** The peer cannot be spoken to any more. */
  broken(error: SaiError): void;
  clock: Clock;
}

const TOGETHER_MS = 5;
const DRAIN_MS = 30_000;
const MOST_MESSAGES = 1_000;
const MOST_BYTES = 4 * 1024 * 1024;

/** News that share a message: `most` of them in one. */
interface Batch {
  entries: unknown[];
  readonly most: number;
  /** About what one takes on the wire. */
  sizeOf(value: unknown): number;
  body(values: unknown[]): Body;
}

export class Outbox {
  private readonly waiting = new Map<string, Batch>();
  /** Kinds that must not be sent for now. */
  private readonly held = new Set<string>();
  private readonly company = new Company(TOGETHER_MS);
  private urgent: Body | undefined;
  private messages = 0;
  private bytes = 0;
  private sentAtMs = Number.NEGATIVE_INFINITY;
  private state: "open" | "flushing" | "paused" | "closed" = "open";
  private cancelFlush: (() => void) | undefined;
  private cancelDrain: (() => void) | undefined;

  constructor(private readonly parts: OutboxParts) {}

  /** Adds news to those of their kind; `sizeOf` is about what each takes on the wire, in bytes. */
  add<T>(
    kind: string,
    most: number,
    news: readonly T[],
    sizeOf: (one: T) => number,
    body: (some: T[]) => Body,
  ): void {
    if (this.state === "closed" || news.length === 0) return;
    const batch = this.waiting.get(kind) ?? ({ entries: [], most, sizeOf, body } as unknown as Batch);
    this.waiting.set(kind, batch);
    this.messages -= Math.ceil(batch.entries.length / most);
    for (const one of news) {
      batch.entries.push(one);
      this.bytes += sizeOf(one);
    }
    this.messages += Math.ceil(batch.entries.length / most);
    if (this.messages > MOST_MESSAGES || this.bytes > MOST_BYTES) {
      this.break(`${this.messages} messages (${this.bytes} bytes) wait to be read`);
    } else this.soon();
  }

  /** Replaces what waits of its kind; `bytes` is about what each message takes. */
  latest(kind: string, bodies: readonly Body[], bytes = 100): void {
    const before = this.waiting.get(kind);
    if (before) this.taken(before, before.entries.length);
    this.add(
      kind,
      1,
      bodies,
      () => bytes,
      ([newest]) => newest as Body,
    );
  }

  /** Sends before everything that waits, and replaces the one before that was not sent yet. */
  first(body: Body): void {
    this.urgent = body;
    this.flush();
  }

  /** Sends nothing of the kind until `release`. */
  hold(kind: string): void {
    this.held.add(kind);
  }

  release(kind: string): void {
    this.held.delete(kind);
    this.soon();
  }

  /** There is, or may be, something to send. */
  soon(): void {
    const { clock } = this.parts;
    const nowMs = clock.nowMs();
    const forCompanyMs = this.company.waitMs(nowMs);
    if (this.cancelFlush !== undefined || this.state !== "open") return;
    const waitMs = Math.min(forCompanyMs, Math.max(0, this.sentAtMs + TOGETHER_MS - nowMs));
    this.cancelFlush = clock.after(waitMs, () => this.flush());
  }

  /** Sends at once what waits, if the stream takes it. */
  flush(): void {
    this.cancelFlush?.();
    this.cancelFlush = undefined;
    if (this.state !== "open") return;
    this.state = "flushing";
    this.parts.beforeFlush();
    this.sentAtMs = this.parts.clock.nowMs();
    if (this.urgent) this.hand(this.urgent);
    this.urgent = undefined;
    for (const [kind, batch] of this.waiting) {
      while (!this.held.has(kind) && batch.entries.length > 0) {
        if (!this.flows()) return;
        this.hand(batch.body(this.taken(batch, batch.most)));
      }
      if (batch.entries.length === 0) this.waiting.delete(kind);
    }
    if (this.flows()) this.state = "open";
  }

  /** Whatever waits is dropped, and nothing is sent any more. */
  close(): void {
    this.state = "closed";
    this.cancelFlush?.();
    this.cancelDrain?.();
    this.waiting.clear();
  }

  private flows(): boolean {
    return this.state === "flushing";
  }

  /** Up to `count` entries of a batch, taken out of it. */
  private taken(batch: Batch, count: number): unknown[] {
    const before = Math.ceil(batch.entries.length / batch.most);
    const values = batch.entries.splice(0, count);
    this.messages -= before - Math.ceil(batch.entries.length / batch.most);
    for (const value of values) this.bytes -= batch.sizeOf(value);
    return values;
  }

  /** Hands one message over. */
  private hand(body: Body): void {
    const answer = this.parts.link.send({ ...this.parts.envelope(), body });
    if (answer === "wait") this.pause();
    if (answer === "ended") this.close();
  }

  private pause(): void {
    this.state = "paused";
    this.cancelDrain = this.parts.clock.after(DRAIN_MS, () =>
      this.break(`nothing was read for ${DRAIN_MS / 1000} s`),
    );
    void this.parts.link.drained().then(() => {
      if (this.state !== "paused") return;
      this.cancelDrain?.();
      this.state = "open";
      this.flush();
    });
  }

  private break(why: string): void {
    this.close();
    const message = `the coordinator reads too slowly: ${why}`;
    this.parts.broken(new SaiError("unavailable", message, { hint: "dialling again" }));
  }
}
