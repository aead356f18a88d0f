/**
 * Keeps a session with a coordinator: dials, serves, and dials again with full jitter when the stream ends or breaks,
 * until it is told to stop. Running attempts do not notice.
 *
 * 1. Each dial in a row may take twice as long as the one before, up to 30 s. When thousands dial at once, a coordinator
 *    (or a busy machine) that needs longer than the first limit to answer them all would otherwise finish none: whoever
 *    gives up starts anew at the end of the queue.
 * 2. A coordinator may ask for longer waits than its configuration says, as it knows how large the fleet is.
 */
import { backoffMs } from "../../shared/runtime/backoff.js";
import type { Clock } from "../../shared/runtime/clock.js";
import { errorText, SaiError } from "../../shared/runtime/errors.js";
import type { Logger } from "../../shared/runtime/logger.js";
import type { Random } from "../../shared/runtime/random.js";
import type { Dial } from "./link.js";
import { Session, type SessionParts } from "./session.js";

export interface SupervisorParts {
  dial: Dial;
  /** Coordinators by host:port, at least one; any of them says which one leads. */
  addresses: readonly string[];
  session: Omit<SessionParts, "link" | "onWelcome">;
  backoff: { baseMs: number; capMs: number };
  clock: Clock;
  random: Random;
  log: Logger;
}

/** A session that was welcome for so long was a good one, ms. */
const STEADY_MS = 2_000;
/** How long a drained agent stays away, ms. */
const DRAINED_MS = 5_000;
/** How long a dial may take, first and at most, ms. */
const DIAL_MS = 5_000;
const LONGEST_DIAL_MS = 30_000;

export class Supervisor {
  private current: Session | undefined;

  constructor(private readonly parts: SupervisorParts) {}

  /** The session there is now, if any. */
  session(): Session | undefined {
    return this.current;
  }

  /** Resolves when `signal` aborts and the last session has ended. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, backoff, log } = this.parts;
    const { addresses } = this.parts;
    let turn = 0;
    let address = addresses[turn] as string;
    /** In a row; a session that was welcome for a while ends the row. */
    let failures = 0;
    /** The longest wait that the last coordinator asked for, ms. */
    let told = 0;
    let welcomeMs = Number.POSITIVE_INFINITY;
    while (!signal.aborted) {
      let waitMs: number;
      try {
        welcomeMs = Number.POSITIVE_INFINITY;
        const dialMs = Math.min(LONGEST_DIAL_MS, DIAL_MS * 2 ** failures); // invariant 1
        const end = await this.serve(address, dialMs, signal, (reconnectCapMs) => {
          welcomeMs = clock.nowMs();
          told = reconnectCapMs;
        });
        // Who is only sent on, from one that does not lead to one that does not answer, must not dial in a tight loop.
        if (welcomeMs !== Number.POSITIVE_INFINITY) failures = 0;
        // Whoever cannot say who leads may be asked again; whoever was the leader may be gone: then the next one is.
        const leads = end.kind === "goodbye" && end.address !== "";
        if (!leads) turn = (turn + 1) % addresses.length;
        address = leads ? end.address : (addresses[turn] as string);
        waitMs = end.kind === "goodbye" ? end.retryAfterMs : end.kind === "drained" ? DRAINED_MS : 0;
      } catch (error) {
        if (signal.aborted) return;
        // A coordinator that welcomes and breaks at once must not be dialled in a tight loop.
        if (clock.nowMs() - welcomeMs >= STEADY_MS) failures = 0;
        // Said once, then every tenth time: a coordinator may stay away for hours.
        const said = failures % 10 === 0;
        log[said ? "warn" : "debug"]({ address, reason: reasonOf(error), failures }, "no session");
        failures += 1;
        waitMs = 0;
        turn = (turn + 1) % addresses.length;
        address = addresses[turn] as string;
      }
      const capMs = Math.max(backoff.capMs, told); // invariant 2
      await clock
        .sleep(Math.max(waitMs, backoffMs(failures, { ...backoff, capMs }, random)), signal)
        .catch(() => {});
    }
  }

  private async serve(
    address: string,
    dialMs: number,
    signal: AbortSignal,
    onWelcome: SessionParts["onWelcome"],
  ) {
    const link = await this.parts.dial(address, signal, dialMs);
    this.current = new Session({ ...this.parts.session, link, onWelcome });
    try {
      return await this.current.run(signal);
    } finally {
      this.current = undefined;
    }
  }
}

const reasonOf = (error: unknown): string =>
  error instanceof SaiError && error.hint ? `${errorText(error)} (${error.hint})` : errorText(error);
