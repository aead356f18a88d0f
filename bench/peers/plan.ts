/** What is run, in which order, and how long it takes. */

export const OUTSTANDING = [1, 32, 256] as const;

export interface Plan {
  warmupS: number;
  seconds: number;
  alternations: number;
}

/** Starting and stopping a system, and what ends a cell, s. */
const START_S = 4;
const CELL_END_S = 0.3;
export const OBSERVE_S = 3;

export const cellsS = ({ warmupS, seconds }: Plan): number => OUTSTANDING.length * (warmupS + seconds);

/** How long so many systems take, s; without installing. */
export function estimateS(systems: number, plan: Plan): number {
  const start = START_S + cellsS(plan) + OUTSTANDING.length * CELL_END_S;
  return systems * (plan.alternations * start + START_S + OBSERVE_S);
}

/** Which of the cores, `all` in number, servers run on, and which workers and clients; as taskset has them. */
export function coresOf(all: number): { server: string; others: string } {
  const half = Math.max(1, Math.floor(all / 2));
  const range = (from: number, to: number) => (from === to ? `${from}` : `${from}-${to}`);
  return { server: range(0, half - 1), others: all === 1 ? "0" : range(half, all - 1) };
}
