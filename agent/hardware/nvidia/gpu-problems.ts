import { count } from "../../../shared/benchmark/count.js";
import type { Gpu } from "./gpus.js";

/** What speaks against trusting a GPU with a measurement, or with anything, for people; empty when nothing does. */
export function healthProblems({ health, mig }: Gpu): string[] {
  const ecc = health.eccUncorrected.volatile ?? 0;
  const said: [boolean, string][] = [
    [health.recoveryAction !== undefined, `the driver asks for: ${health.recoveryAction}`],
    [ecc > 0, `${count(ecc, "uncorrectable memory error")} since the driver was loaded`],
    [health.repairPending, "memory repair waits for a reset"],
    [health.unrepairable, "memory that cannot be repaired"],
    [mig?.length === 0, "MIG mode is on and there is no slice: nothing can run on it"],
  ];
  return said.filter(([is]) => is).map(([, words]) => words);
}
