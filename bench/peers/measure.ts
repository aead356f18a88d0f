/** One start of a system: the cells of an alternation, or a short look at what its server does to the disk. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { systemClock as clock } from "../../shared/runtime/clock.js";
import { cpuSecondsOfTree, pin } from "../support/process-tree.js";
import type { Alternation, Cell } from "./figures.js";
import { type Durability, durability, watchSyncs } from "./fsyncs.js";
import { cellsS, OBSERVE_S, OUTSTANDING, type Plan } from "./plan.js";
import type { Role, Running, System } from "./system.js";

export interface Setting {
  scratch: string;
  /** Where folders of systems are made. */
  data: string;
  plan: Plan;
  cores: { server: string; others: string };
}

const ROLES: Role[] = ["server", "worker", "client"];

/** Every cell, in one start. */
export const alternation = (system: System, setting: Setting): Promise<Alternation> =>
  started(system, setting, cellsS(setting.plan), async (running) => {
    const cells: Cell[] = [];
    for (const outstanding of OUTSTANDING) {
      await running.begin(outstanding, false);
      await clock.sleep(setting.plan.warmupS * 1000);
      const before = cpuOf(running);
      await running.window();
      await clock.sleep(setting.plan.seconds * 1000);
      const after = cpuOf(running);
      const result = await running.end();
      const used = ROLES.map((role) => [role, after[role] - before[role]]);
      cells.push({ outstanding, result, cpuS: Object.fromEntries(used) as Cell["cpuS"] });
    }
    return { cells, counts: await running.counts() };
  });

/** One task after the other, while the server's syncs are written down. */
export const observe = (system: System, setting: Setting): Promise<Durability> =>
  started(system, setting, OBSERVE_S + 1, async (running, folder) => {
    const watch = await watchSyncs(running.pids.server, folder);
    await running.begin(1, true);
    await clock.sleep(OBSERVE_S * 1000);
    const { spans = [] } = await running.end();
    // The first one may have waited for something else.
    return durability(spans.slice(1), await watch.end());
  });

async function started<T>(
  system: System,
  { scratch, data, cores }: Setting,
  seconds: number,
  use: (running: Running, folder: string) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(data, "of-"));
  try {
    const running = await system.start({ scratch, folder, seconds });
    try {
      pin([...running.pids.worker, ...running.pids.client], cores.others);
      pin(running.pids.server, cores.server);
      return await use(running, folder);
    } finally {
      await running.stop();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function cpuOf({ pids }: Running): { [role in Role]: number } {
  const of = (role: Role) => cpuSecondsOfTree(pids[role]);
  return { server: of("server"), worker: of("worker"), client: of("client") };
}
