import { join } from "node:path";
import { freePort } from "../../../test/support/child.js";
import { startLineProgram } from "../../support/line-child.js";
import { ready, running, together } from "../children.js";
import { programs, pythonPackages } from "../install.js";
import type { System } from "../system.js";

const PACKAGES = ["distributed==2026.8.0"];

export const dask: System = {
  name: "Dask distributed",
  how: "one submitted call a task, its future awaited; state in the scheduler's memory; one worker process with one thread",
  async install(scratch) {
    await pythonPackages(scratch, "dask", PACKAGES);
    return PACKAGES.join(", ");
  },
  start: ({ scratch, folder }) =>
    together(async (keep) => {
      const python = await pythonPackages(scratch, "dask", PACKAGES);
      const port = await freePort();
      const env = {
        PEER_SCHEDULER: `tcp://127.0.0.1:${port}`,
        PYTHONDONTWRITEBYTECODE: "1",
        PYTHONPATH: programs,
        DASK_LOGGING__DISTRIBUTED: "error",
        DASK_TEMPORARY_DIRECTORY: folder,
        DASK_DISTRIBUTED__DIAGNOSTICS__NVML: "False",
      };
      const start = (name: string, ...args: string[]) =>
        startLineProgram(python, [join(programs, `dask_${name}.py`), ...args], env);
      const scheduler = keep(start("scheduler", `${port}`));
      const worker = await ready(keep(start("worker")));
      const client = await ready(keep(start("client")));
      return running([{ pid: scheduler.pid, stop: () => scheduler.kill() }], worker, client);
    }),
};
