/**
 * What an engine has spent on this day (UTC), kept on the disk, and a limit that it keeps.
 *
 * 1. Before anything is sent, the most that it can cost is reserved; with what is spent and reserved it stays within the
 *    limit. Where only what is in flight stands in the way, its end is waited for; else there is no more today.
 * 2. What is reserved is on the disk, rounded up, before it is sent: after a crash the agent may have spent less than the
 *    file says, never more. So few writes are needed, and each crash costs a hundredth of the limit at most.
 * 3. A clock that goes back begins no new day.
 */
import { dirname } from "node:path";
import type { Clock } from "../../../shared/runtime/clock.js";
import type { Disk } from "../../../shared/runtime/disk.js";
import { errorText } from "../../../shared/runtime/errors.js";
import { EngineError } from "../engine.js";

export interface SpendBookParts {
  disk: Disk;
  /** Of this engine alone; its folder is made. */
  path: string;
  clock: Pick<Clock, "wallMs">;
  limitUsd: number;
  /** For messages: the key of the configuration. */
  key: string;
}

export interface Reserved {
  /** What it did cost. Once. */
  settle(usd: number): void;
}

interface Noted {
  v: 1;
  /** `2026-11-23`. */
  day: string;
  usd: number;
}

/** Part of the limit by which the file may run ahead. */
const AHEAD = 0.01;
/** What sums of fractions may be off by. */
const ROUNDING_USD = 1e-9;

export class SpendBook {
  private day = "";
  private spentUsd = 0;
  private reservedUsd = 0;
  /** What the file says. */
  private notedUsd = 0;
  private isOpen = false;
  /** One after the other. */
  private last: Promise<unknown> = Promise.resolve();
  private settled: (() => void)[] = [];
  /** Reservations that are not settled: sums of cents never come back to 0 exactly. */
  private inFlight = 0;
  private settlements = 0;

  constructor(private readonly parts: SpendBookParts) {}

  /** Throws EngineError: `spend_limit` when there is no more today, `spend_not_noted` when the disk fails. */
  async reserve(usd: number, signal: AbortSignal): Promise<Reserved> {
    for (;;) {
      signal.throwIfAborted();
      const seen = this.settlements;
      if (await this.inTurn(() => this.tryToReserve(usd))) return this.reservation(usd);
      if (seen === this.settlements) await this.nextSettled(signal);
    }
  }

  /** Notes what was spent, no more. A disk that is full keeps nobody from ending: the file says more than was spent. */
  async close(): Promise<void> {
    await this.inTurn(async () => {
      if (this.isOpen && this.notedUsd !== this.spentUsd + this.reservedUsd) await this.note(0);
    }).catch(() => {});
  }

  private async tryToReserve(usd: number): Promise<boolean> {
    const { limitUsd, key } = this.parts;
    await this.open();
    this.turnPage();
    if (this.spentUsd + this.reservedUsd + usd > limitUsd + ROUNDING_USD) {
      if (this.inFlight > 0) return false;
      throw new EngineError(
        "engine",
        "spend_limit",
        `${key}: ${dollars(this.spentUsd)} of ${dollars(limitUsd)} are spent on ${this.day} (UTC), and this request may cost ${dollars(usd)}; ` +
          "nothing more is sent until tomorrow; raise the limit, or ask for fewer tokens (max_tokens)",
      );
    }
    this.reservedUsd += usd;
    this.inFlight += 1;
    try {
      if (this.spentUsd + this.reservedUsd > this.notedUsd) await this.note(limitUsd * AHEAD);
    } catch (error) {
      this.release(usd);
      throw new EngineError(
        "transient",
        "spend_not_noted",
        `${key}: what is spent cannot be noted, so nothing is sent: ${errorText(error)}`,
        { cause: error },
      );
    }
    return true;
  }

  private reservation(reservedUsd: number): Reserved {
    let isOver = false;
    return {
      settle: (usd) => {
        if (isOver) return;
        isOver = true;
        this.release(reservedUsd);
        this.spentUsd += usd;
        this.settlements += 1;
        for (const go of this.settled.splice(0)) go();
        // It did cost more than was thought: the next reservation notes it if this write fails.
        if (this.spentUsd + this.reservedUsd > this.notedUsd) this.inTurn(() => this.note(0)).catch(() => {});
      },
    };
  }

  private release(usd: number): void {
    this.inFlight -= 1;
    this.reservedUsd = this.inFlight === 0 ? 0 : this.reservedUsd - usd;
  }

  private nextSettled(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const done = () => {
        signal.removeEventListener("abort", stop);
        resolve();
      };
      const stop = () => {
        this.settled = this.settled.filter((go) => go !== done);
        reject(signal.reason);
      };
      this.settled.push(done);
      signal.addEventListener("abort", stop, { once: true });
    });
  }

  private async open(): Promise<void> {
    if (this.isOpen) return;
    const { disk, path, key } = this.parts;
    const bytes = await disk.read(path);
    if (bytes !== undefined) {
      const noted = parse(bytes);
      if (noted === undefined) {
        const hint = "see what was spent today, and remove the file to begin at 0";
        throw new EngineError("engine", "spend_unknown", `${key}: ${path} cannot be read; ${hint}`);
      }
      this.day = noted.day;
      this.spentUsd = noted.usd;
      this.notedUsd = noted.usd;
    } else {
      await disk.mkdir(dirname(path));
    }
    this.isOpen = true;
  }

  private turnPage(): void {
    const today = new Date(this.parts.clock.wallMs()).toISOString().slice(0, 10);
    if (today <= this.day) return; // invariant 3
    this.day = today;
    this.spentUsd = 0;
    this.notedUsd = 0;
  }

  private async note(aheadUsd: number): Promise<void> {
    const usd = this.spentUsd + this.reservedUsd + aheadUsd;
    const noted: Noted = { v: 1, day: this.day, usd };
    await this.parts.disk.writeAtomic(this.parts.path, `${JSON.stringify(noted)}\n`);
    this.notedUsd = usd;
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const run = this.last.then(work, work);
    this.last = run.catch(() => {});
    return run;
  }
}

function parse(bytes: Buffer): Noted | undefined {
  try {
    const noted = JSON.parse(bytes.toString("utf8")) as Noted;
    const isWhole = noted.v === 1 && /^\d{4}-\d{2}-\d{2}$/.test(noted.day) && noted.usd >= 0;
    return isWhole ? noted : undefined;
  } catch {
    return undefined;
  }
}

const dollars = (usd: number): string => `$${usd >= 0.01 ? usd.toFixed(2) : usd.toPrecision(2)}`;
