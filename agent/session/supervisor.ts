/**
 * Keeps a session with a coordinator: dials, serves, and dials again with full jitter when the stream ends or breaks,
 * until it is told to stop. Running attempts do not notice.
 *
 * It goes in rounds: every coordinator it knows is asked once, and whoever one of them names as the leader is dialled at
 * once. Only between rounds it waits longer and longer, so that when another leads, one wait is all that is lost.
 *
 * 1. Each dial in a row may take twice as long as the one before, up to 30 s. When thousands dial at once, a coordinator
 *    (or a busy machine) that needs longer than the first limit to answer them all would otherwise finish none: whoever
 *    gives up starts anew at the end of the queue.
 * 2. A coordinator may ask for longer waits than its configuration says, as it knows how large the fleet is.
 * 3. A round has at most twice as many dials as there are coordinators: two that each take the other for the leader are
 *    not dialled in a tight loop.
 * 4. Whoever's session or dial has just broken is not the next to be dialled where there is another. In a round it counts
 *    as asked once: its turn is skipped because it was followed as the leader, or had the session before the round.
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
    const rounds = new Rounds(this.parts.addresses);
    /** The longest wait that the last coordinator asked for, ms. */
    let told = 0;
    let welcomeMs = Number.POSITIVE_INFINITY;
    while (!signal.aborted) {
      const { address, failures } = rounds;
      let waitMs = 0;
      let leader: string | undefined;
      try {
        welcomeMs = Number.POSITIVE_INFINITY;
        const dialMs = Math.min(LONGEST_DIAL_MS, DIAL_MS * 2 ** failures); // invariant 1
        const end = await this.serve(address, dialMs, signal, (reconnectCapMs) => {
          welcomeMs = clock.nowMs();
          told = reconnectCapMs;
        });
        if (welcomeMs !== Number.POSITIVE_INFINITY) rounds.good();
        if (end.kind === "goodbye" && end.address !== "") leader = end.address;
        waitMs = end.kind === "goodbye" ? end.retryAfterMs : end.kind === "drained" ? DRAINED_MS : 0;
      } catch (error) {
        if (signal.aborted) return;
        // A coordinator that welcomes and breaks at once must not be dialled in a tight loop.
        if (clock.nowMs() - welcomeMs >= STEADY_MS) rounds.good();
        // Said once, then every tenth time: a coordinator may stay away for hours.
        const said = rounds.failures % 10 === 0;
        log[said ? "warn" : "debug"](
          { address, reason: reasonOf(error), failures: rounds.failures },
          "no session",
        );
      }
      const capMs = Math.max(backoff.capMs, told); // invariant 2
      const over = rounds.next(leader);
      const backedOffMs = backoffMs(over ? rounds.failures : 0, { ...backoff, capMs }, random);
      await clock.sleep(Math.max(waitMs, backedOffMs), signal).catch(() => {});
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

/** Whom to dial next. */
class Rounds {
  address: string;
  /** Rounds in a row without a good session. */
  failures = 0;
  private turn = 0;
  /** Of this round, coordinators that were asked and leaders that were followed. */
  private asked = 1;
  private followed = 0;
  /** A good session has just ended, and nobody was asked since. */
  private fresh = false;

  constructor(private readonly addresses: readonly string[]) {
    this.address = addresses[0] as string;
  }

  /** The last session was one: the next dial begins a row. */
  good(): void {
    this.failures = 0;
    this.asked = 1;
    this.followed = 0;
    this.fresh = true;
  }

  /** After an answer that named a leader, or none. True when that ended a round. */
  next(leader: string | undefined): boolean {
    const count = this.addresses.length;
    const fresh = this.fresh;
    this.fresh = false;
    if (leader !== undefined && this.followed < count) {
      this.followed += 1;
      this.address = leader;
      return false;
    }
    // Whoever cannot say who leads may be asked again; whoever was the leader may be gone: then the next one is.
    this.turn = (this.turn + 1) % count;
    if (count > 1 && this.addresses[this.turn] === this.address) {
      this.turn = (this.turn + 1) % count; // invariant 4
      if (!fresh) this.asked += 1;
    }
    this.address = this.addresses[this.turn] as string;
    const over = this.asked >= count; // invariant 3
    if (over) this.failures += 1;
    this.asked = over ? 1 : this.asked + 1;
    if (over) this.followed = 0;
    return over;
  }
}

const reasonOf = (error: unknown): string =>
  error instanceof SaiError && error.hint ? `${errorText(error)} (${error.hint})` : errorText(error);
