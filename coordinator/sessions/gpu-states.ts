/** What a node's GPUs do, as its last heartbeat said: cut to what one may say, and made older by the time since. */
import type { GpuState, GpuStates } from "../../shared/gen/sai/v1/node.js";

/** GPUs of one node, what is said of one in lists, and the length of each text. */
const MAX_GPUS = 64;
const MAX_TEXTS = 16;
const MAX_CHARS = 200;

/** Without figures that are none. */
export const gpuStatesOf = ({ gpus, sampleAgeMs, lookAgeMs, faultAgeMs }: GpuStates): GpuStates => ({
  gpus: gpus.slice(0, MAX_GPUS).map(stateOf),
  ...{ sampleAgeMs: ageOf(sampleAgeMs), lookAgeMs: ageOf(lookAgeMs), faultAgeMs: ageOf(faultAgeMs) },
});

/** As of `ms` after they came. */
export function aged(states: GpuStates, ms: number): GpuStates {
  const older = (age: number | undefined) => (age === undefined ? undefined : Math.round(age + ms));
  const { gpus, sampleAgeMs, lookAgeMs, faultAgeMs } = states;
  return {
    gpus,
    ...{ sampleAgeMs: older(sampleAgeMs), lookAgeMs: older(lookAgeMs), faultAgeMs: older(faultAgeMs) },
  };
}

function stateOf(state: GpuState): GpuState {
  const cut: GpuState = {
    ...state,
    uuid: state.uuid.slice(0, MAX_CHARS),
    performanceState: state.performanceState.slice(0, MAX_CHARS),
    slowedBy: texts(state.slowedBy),
    problems: texts(state.problems),
  };
  for (const [name, value] of Object.entries(cut))
    if (typeof value === "number" && !Number.isFinite(value)) Object.assign(cut, { [name]: undefined });
  return cut;
}

const texts = (all: readonly string[]): string[] =>
  all.slice(0, MAX_TEXTS).map((text) => text.slice(0, MAX_CHARS));

const ageOf = (ms: number | undefined): number | undefined =>
  ms === undefined || !Number.isFinite(ms) ? undefined : Math.max(0, ms);
