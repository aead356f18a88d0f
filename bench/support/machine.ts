import { cpus, loadavg } from "node:os";

/** Where a benchmark ran. */
export interface Machine {
  node: string;
  cpu: string;
  cores: number;
  load1m: number;
}

export const thisMachine = (): Machine => ({
  node: process.version,
  cpu: cpus()[0]?.model.trim() ?? "unknown",
  cores: cpus().length,
  load1m: loadavg()[0] ?? 0,
});
