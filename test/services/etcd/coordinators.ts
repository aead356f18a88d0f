/** Several coordinators on one etcd and some agents, each a process of its own, as their users run them. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Api, connectApi } from "../../support/api.js";
import { freePort, stopProcess } from "../../support/child.js";
import { until } from "../../support/until.js";

const root = fileURLToPath(new URL("../../..", import.meta.url));

export interface Coordinator {
  readonly name: string;
  readonly api: Api;
  readonly apiAddress: string;
  readonly httpAddress: string;
  /** kill −9. */
  kill(): Promise<void>;
  /** SIGSTOP, SIGCONT. */
  pause(): void;
  goOn(): void;
  /** SIGTERM; resolves with its exit code. */
  end(): Promise<number | null>;
  /** Starts it again where it was. */
  start(): void;
}

export interface Coordinators {
  readonly all: readonly Coordinator[];
  /** Where agents dial in, of each coordinator. */
  readonly agentAddresses: readonly string[];
  /** SIGTERM to an agent; resolves with its exit code. */
  endAgent(id: string): Promise<number | null>;
  /** Starts an agent, which was ended or is another, with these coordinators and two slots, or so many. */
  startAgent(id: string, addresses: readonly string[], slots?: number): void;
  /** The one that says that it leads. */
  leader(): Promise<Coordinator>;
  logs(): string;
  stop(): Promise<void>;
}

/** Starts them; resolves when one leads and all agents are ready. Each agent has another coordinator first in its list. */
export async function startCoordinators(
  etcd: readonly string[],
  count: number,
  agents: readonly string[],
  /** What agents dial instead of the coordinators. */
  through: (addresses: readonly string[]) => Promise<readonly string[]> = async (addresses) => addresses,
  /** More configuration of all of them, as environment names. */
  settings: { readonly [name: string]: string } = {},
): Promise<Coordinators> {
  const folder = mkdtempSync(join(tmpdir(), "sai-coordinators-"));
  const places = await Promise.all(
    Array.from({ length: count }, async (_, i) => ({
      ...{ name: `c${i}`, api: await freePort(), agents: await freePort(), http: await freePort() },
    })),
  );
  const running = new Map<string, ChildProcess>();
  const start = (name: string, args: string[], env: { [name: string]: string }) => {
    const output = openSync(join(folder, `${name}.log`), "a");
    const child = spawn(process.execPath, ["--import", "tsx", join(root, "cli/main.ts"), ...args], {
      cwd: root,
      env: {
        ...process.env,
        ...{ NO_COLOR: "1", SAI_ARTIFACTS_DIR: join(folder, "artifacts"), SAI_DATA_DIR: join(folder, name) },
        ...{ SAI_COORDINATOR_HEARTBEAT_INTERVAL_MS: "1000", SAI_COORDINATOR_RECOVERY_HOLD_MS: "3000" },
        ...{ SAI_AGENT_RECONNECT_CAP_MS: "500", ...settings, ...env },
      },
      stdio: ["ignore", output, output],
    });
    closeSync(output);
    running.set(name, child);
  };
  const end = async (name: string) => {
    const child = running.get(name) as ChildProcess;
    running.delete(name);
    return stopProcess(child, 35_000);
  };
  const all = places.map(({ name, api, agents: agentPort, http }): Coordinator => {
    const ports = ["--grpc-port", `${api}`, "--agent-port", `${agentPort}`, "--http-port", `${http}`];
    const coordinator: Coordinator = {
      ...{ name, apiAddress: `127.0.0.1:${api}`, httpAddress: `127.0.0.1:${http}` },
      api: connectApi(`127.0.0.1:${api}`),
      async kill() {
        const child = running.get(name) as ChildProcess;
        const gone = once(child, "exit");
        child.kill("SIGKILL");
        await gone;
        running.delete(name);
      },
      pause: () => void running.get(name)?.kill("SIGSTOP"),
      goOn: () => void running.get(name)?.kill("SIGCONT"),
      end: () => end(name),
      start: () =>
        start(name, ["coordinator", ...ports], {
          SAI_STORE_KIND: "etcd",
          SAI_STORE_ENDPOINTS: etcd.join(","),
        }),
    };
    return coordinator;
  });
  const logs = () =>
    [...places.map(({ name }) => name), ...agents]
      .map(
        (name) =>
          `--- ${name}\n${readFileSync(join(folder, `${name}.log`), "utf8")
            .split("\n")
            .slice(-12)
            .join("\n")}`,
      )
      .join("\n");
  const leads = async ({ httpAddress }: Coordinator): Promise<boolean> => {
    try {
      const answer = await fetch(`http://${httpAddress}/health`, { signal: AbortSignal.timeout(1_000) });
      return answer.ok && ((await answer.json()) as { leads?: boolean }).leads === true;
    } catch {
      return false;
    }
  };
  const fleet: Coordinators = {
    ...{ all, endAgent: end, agentAddresses: places.map((place) => `127.0.0.1:${place.agents}`) },
    startAgent: (id, addresses, slots = 2) =>
      start(id, ["agent", "--id", id, "--cpu-slots", `${slots}`], {
        SAI_AGENT_COORDINATOR: addresses.join(","),
      }),
    logs,
    leader: () =>
      until(
        "a coordinator leads",
        async () => {
          for (const coordinator of all) if (await leads(coordinator)) return coordinator;
          return undefined;
        },
        60_000,
      ),
    async stop() {
      for (const { api } of all) api.close();
      for (const child of running.values()) child.kill("SIGCONT");
      await Promise.all([...running.values()].map((child) => stopProcess(child, 35_000)));
      rmSync(folder, { recursive: true, force: true });
    },
  };
  try {
    for (const coordinator of all) coordinator.start();
    const dialled = await through(fleet.agentAddresses);
    agents.forEach((id, i) => {
      fleet.startAgent(id, [...dialled.slice(i % count), ...dialled.slice(0, i % count)]);
    });
    const { api } = await fleet.leader();
    await until(
      "all agents are ready",
      async () => (await api.listNodes()).filter(({ state }) => state === "ready").length === agents.length,
      60_000,
    );
    return fleet;
  } catch (error) {
    const said = logs();
    await fleet.stop();
    throw new Error(`${error instanceof Error ? error.message : error}\n${said}`, { cause: error });
  }
}
