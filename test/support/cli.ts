/** The `sai` command in this process, against a fleet of a test: what it prints and its exit code. */
import { captureIo } from "../../cli/cli.test-support.js";
import { runCli } from "../../cli/program.js";
import type { TestFleet } from "./fleet.js";

export interface CliAnswer {
  code: number;
  out: string;
  err: string;
}

/** Runs commands against the fleet's coordinator, in its folder. */
export const cliOf =
  (fleet: TestFleet) =>
  async (...args: string[]): Promise<CliAnswer> => {
    const env = { SAI_ADDRESS: fleet.coordinator.apiAddress };
    const { io, out, err } = captureIo({ cwd: fleet.folder, env });
    const code = await runCli(args, io);
    return { code, out: out(), err: err() };
  };
