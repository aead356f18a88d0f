/** The coordinator under test, a process of its own, as `sai coordinator` starts it: embedded store or etcd, all its ports. */
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { startCoordinator } from "../../coordinator/coordinator.js";
import { systemClock as clock } from "../../shared/runtime/clock.js";
import { defaultConfig, type LogLevel } from "../../shared/runtime/config.js";
import { lineLogger, silentLogger } from "../../shared/runtime/logger.js";
import { systemRandom as random } from "../../shared/runtime/random.js";
import { answer } from "../support/asking.js";
import { measureUsage, type Usage } from "../support/usage.js";

export interface Ports {
  api: number;
  agents: number;
  http: number;
}

/** After a garbage collection, bytes. */
export interface Memory {
  rss: number;
  heap: number;
}

/** BENCH_LOG=info shows what the coordinator says on stderr. */
const level = process.env["BENCH_LOG"];
const logger = level ? lineLogger((line) => process.stderr.write(line), level as LogLevel) : silentLogger();

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
let endWindow: (() => Usage) | undefined;

const questions = {
  /** Starts it on these ports; 0 is any free one. `etcd`: where the state store is; empty: in the folder. */
  async start({ folder, ports, etcd }: { folder: string; ports: Ports; etcd: string }): Promise<Ports> {
    const config = defaultConfig();
    config.dataDir = folder;
    config.artifacts.dir = join(folder, "artifacts");
    config.storage.datasetsDir = folder;
    config.store.path = join(folder, "state");
    if (etcd !== "") Object.assign(config.store, { kind: "etcd", endpoints: [etcd] });
    const port = (value: number) => ({ value, explicit: true });
    Object.assign(config.coordinator, {
      ...{ host: "127.0.0.1", grpcPort: port(ports.api) },
      ...{ agentPort: port(ports.agents), httpPort: port(ports.http) },
    });
    const started = await startCoordinator(config, { logger, clock, random });
    const of = (address: string) => Number(address.slice(address.lastIndexOf(":") + 1));
    return { api: of(started.apiAddress), agents: of(started.agentAddress), http: of(started.httpAddress) };
  },

  async memory(_: object): Promise<Memory> {
    for (let i = 0; i < 3; i++) {
      collect();
      await clock.sleep(100);
    }
    const { rss, heapUsed } = process.memoryUsage();
    return { rss, heap: heapUsed };
  },

  async begin(_: object): Promise<void> {
    endWindow = measureUsage();
  },

  async end(_: object): Promise<Usage> {
    if (endWindow === undefined) throw new Error("no window has begun");
    return endWindow();
  },
};
export type FleetCoordinatorQuestions = typeof questions;

await answer(questions);
process.exit();
