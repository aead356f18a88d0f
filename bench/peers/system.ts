/** What every system under test can do; one file each in systems/. */
import type { CellResult, Counts, Span } from "./loop.js";

export interface System {
  /** Its row in the tables. */
  readonly name: string;
  /** How a task is done there, and what is batched; one sentence or two. */
  readonly how: string;
  /** Its tasks are durable before they are submitted, which is a smaller promise: a table of its own. */
  readonly durableBefore?: true;
  /** Gets what it needs; its versions. Rejects with the reason when it cannot be had here. */
  install(scratch: string): Promise<string>;
  /** Fresh processes on an empty folder. */
  start(place: Place): Promise<Running>;
}

export interface Place {
  /** What `install` was told. */
  scratch: string;
  /** Of all its cells together, s. */
  seconds: number;
  /** Empty, on a real disk. */
  folder: string;
}

export type Role = "server" | "worker" | "client";

export interface Running {
  /** Process ids by role; what they start belongs to them. */
  readonly pids: { readonly [role in Role]: readonly number[] };
  /** The client keeps so many tasks outstanding from now on. */
  begin(outstanding: number, spans: boolean): Promise<void>;
  /** Its warm-up is over. */
  window(): Promise<void>;
  /** Ends the cell; what is outstanding is waited for. */
  end(): Promise<CellResult & { spans?: Span[] }>;
  /** What workers ran so far. */
  counts(): Promise<Counts>;
  stop(): Promise<void>;
}
