/** What the measured process (phases.ts) says: without, looking, leased by one attempt, by one attempt for each GPU. */
export const PHASES = ["none", "idle", "one", "each"] as const;
export type Phase = (typeof PHASES)[number];

export interface PhaseShares {
  phase: Phase;
  /** Processor time of the process itself, and of every nvidia-smi that it started, as shares of one core. */
  own: number;
  smi: number;
}

/** The last line of a round. */
export interface RoundTold {
  /** Of each GPU in a second, the least, while leased. */
  readingsPerS: number;
}
