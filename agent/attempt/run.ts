/** What runs an attempt, as those who hold it see it: the runner with its engines (run-attempt.ts), or one without. */
import type { EnginePlace } from "../engines/engine.js";
import type { Assignment, ShardFailure, ShardResult } from "./assignment.js";

/** What an attempt came to. `cancelled` needs no answer: whoever cancelled knows. */
export type AttemptOutcome =
  /** The coordinator can have it as it is. */
  | { kind: "result"; result: ShardResult }
  /** All records are in the journal; `bytes` are still to be stored at the result's uri. */
  | { kind: "complete"; result: ShardResult; bytes: Buffer }
  | { kind: "failed"; failure: ShardFailure }
  | { kind: "cancelled" };

/** Where an attempt runs. */
export interface RunDevice {
  lane: string;
  /** What is comparable with it: `cpu`, or the product's name. */
  deviceClass: string;
  place: EnginePlace;
  /** What is leased of the one GPU, above 0 to 1; absent for whole ones, and where there is none. */
  gpuShare?: number;
}

export interface RunHooks {
  started(): void;
  /** So many samples have a record. */
  progressed(done: number): void;
  /** The device is not needed any more, though the attempt has not ended. */
  released(): void;
}

/**
 * Runs one attempt to its end; never throws for what can happen to an attempt. With `resumes` it goes on from the
 * journal of an earlier start of this agent. Aborted with `AgentStops`, it leaves its journal to the next start.
 */
export type RunAttempt = (
  assignment: Assignment,
  device: RunDevice,
  hooks: RunHooks,
  signal: AbortSignal,
  resumes: boolean,
) => Promise<AttemptOutcome>;

/** Why an attempt is aborted whose agent stops in order: it goes on with the next start. */
export class AgentStops extends Error {}
