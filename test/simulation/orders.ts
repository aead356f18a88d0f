/** What a worker is asked, and what it answers; plain values, because they cross between processes. */
import type { Outcome, Schedule } from "./schedule.js";

export type Order =
  | { kind: "many"; seeds: number[] }
  /** One schedule, the seed's or the one given, with its trace if wanted. */
  | { kind: "one"; seed: number; schedule?: Schedule; keepsLines: boolean };

export type Answer =
  | { kind: "ready" }
  | {
      kind: "many";
      outcomes: Outcome[];
      /** Times each step of a state machine was taken, and each kind of fault begun. */
      transitions: { [step: string]: number };
      faults: { [kind: string]: number };
    }
  | { kind: "one"; outcome: Outcome };
