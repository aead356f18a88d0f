/**
 * The processes in which an Ollama server computes: each of its models has one, which may end while the server goes on and
 * starts another at the next request. Whoever measures must know. Seen on Linux only; elsewhere there are none to be seen.
 */
import { readProc, seeProcess, seeProcesses } from "../../../shared/runtime/proc.js";

export interface Runner {
  pid: number;
  startTicks: string;
}

/** Runners with a model, of the server whose process began the session. */
export const runnersOf = (serverPid: number): Runner[] =>
  seeProcesses()
    .filter(({ pid, session }) => session === serverPid && pid !== serverPid && hasModel(pid))
    .map(({ pid, startTicks }) => ({ pid, startTicks }));

/** A killed one may look as if it ran for a moment yet, but without its memory, and so without its arguments. */
export function isAlive({ pid, startTicks }: Runner): boolean {
  const now = seeProcess(pid);
  return now !== undefined && now.startTicks === startTicks && !/[ZX]/.test(now.state) && hasModel(pid);
}

/** Others look for devices, and end soon. */
function hasModel(pid: number): boolean {
  const args = readProc(`/proc/${pid}/cmdline`).split("\0");
  return args.includes("runner") && args.includes("--model");
}
