/**
 * Puts answers together that go to one agent within a few ms: at thousands of shards a second a message for each would
 * fill the stream. A lone one goes at once.
 *
 * 1. What is sent stays in order: anything that is not put together sends what waits first.
 * 2. A message holds at most 1,000 entries, which is far below 256 KiB; what has more is sent in parts.
 */
import type { Clock } from "../../shared/runtime/clock.js";
import { Company } from "../../shared/runtime/company.js";
import type { SaiError } from "../../shared/runtime/errors.js";
import type { CoordinatorBody, Peer } from "./peer.js";

const DELAY_MS = 2;
const MAX_ENTRIES = 1000;

export class BatchingPeer implements Peer {
  private waiting: CoordinatorBody | undefined;
  private cancelTimer: (() => void) | undefined;
  private readonly company = new Company(DELAY_MS);

  constructor(
    private readonly peer: Peer,
    private readonly clock: Clock,
  ) {}

  send(body: CoordinatorBody): void {
    for (const part of parts(body)) this.sendPart(part);
  }

  private sendPart(body: CoordinatorBody): void {
    if (this.waiting !== undefined && joined(this.waiting, body)) {
      this.later();
      return;
    }
    this.flush();
    if (entries(body) === undefined) this.peer.send(body);
    else {
      this.waiting = copy(body);
      this.later();
    }
  }

  close(error?: SaiError): void {
    this.flush();
    this.peer.close(error);
  }

  private later(): void {
    if ((this.waiting && entries(this.waiting)?.length) === MAX_ENTRIES) this.flush();
    else {
      const waitMs = this.company.waitMs(this.clock.nowMs());
      this.cancelTimer ??= this.clock.after(waitMs, () => this.flush());
    }
  }

  private flush(): void {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    const body = this.waiting;
    this.waiting = undefined;
    if (body) this.peer.send(body);
  }
}

/** The list that a message of its kind may share with others; undefined for those that go alone. */
function entries(body: CoordinatorBody): unknown[] | undefined {
  switch (body.$case) {
    case "commitAck":
      return body.value.verdicts;
    case "cancel":
    case "retract":
      return body.value.fences;
    default:
      return undefined;
  }
}

/** Invariant 2. */
function parts(body: CoordinatorBody): CoordinatorBody[] {
  const n = entries(body)?.length ?? 0;
  if (n <= MAX_ENTRIES) return [body];
  return Array.from({ length: Math.ceil(n / MAX_ENTRIES) }, (_, i) =>
    copy(body, i * MAX_ENTRIES, (i + 1) * MAX_ENTRIES),
  );
}

/** Adds the entries of `more` to `body` if they say the same thing. */
function joined(body: CoordinatorBody, more: CoordinatorBody): boolean {
  if (body.$case !== more.$case) return false;
  if (body.$case === "cancel" && more.$case === "cancel" && body.value.reason !== more.value.reason)
    return false;
  const [to, from] = [entries(body), entries(more)];
  if (to === undefined || from === undefined || to.length + from.length > MAX_ENTRIES) return false;
  to.push(...from);
  return true;
}

/** With a list of its own, which may grow: the entries from `first` to before `end`. */
function copy(body: CoordinatorBody, first = 0, end?: number): CoordinatorBody {
  switch (body.$case) {
    case "commitAck":
      return { $case: "commitAck", value: { verdicts: body.value.verdicts.slice(first, end) } };
    case "cancel":
      return { $case: "cancel", value: { ...body.value, fences: body.value.fences.slice(first, end) } };
    case "retract":
      return { $case: "retract", value: { fences: body.value.fences.slice(first, end) } };
    default:
      return body;
  }
}
