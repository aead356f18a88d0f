/** Real etcd servers on loopback, started, killed and stopped by a test; their data lie in a folder that goes with them. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, stopProcess } from "./child.js";

export interface EtcdMember {
  /** host:port for clients. */
  readonly address: string;
  /** Where /health and /metrics are, without TLS. */
  readonly metricsUrl: string;
  readonly pid: number;
  /** kill −9. */
  kill(): Promise<void>;
  /** SIGSTOP, SIGCONT. */
  stop(): void;
  goOn(): void;
  /** Starts it again on its data, once it was killed. */
  restart(): Promise<void>;
  /** Removes its data, once it was killed. */
  wipe(): void;
}

export interface EtcdCluster {
  readonly members: readonly EtcdMember[];
  close(): Promise<void>;
}

export interface EtcdOptions {
  program: string;
  members?: number;
  /** More of etcd's own flags. */
  flags?: string[];
  /** More environment, such as a library that delays the disk. */
  env?: { [name: string]: string };
  /** Clients come with TLS, and a certificate that `clientCa` signed; PEM files. */
  tls?: { cert: string; key: string; clientCa: string };
  /** Data folders to begin with, one a member, instead of empty ones; they are left where they are. */
  data?: string[];
}

/** Starts them and waits until each answers. */
export async function startEtcd(o: EtcdOptions): Promise<EtcdCluster> {
  const folder = mkdtempSync(join(tmpdir(), "sai-etcd-"));
  const count = o.members ?? 1;
  const places = await Promise.all(
    Array.from({ length: count }, async (_, i) => ({
      name: `m${i}`,
      client: await freePort(),
      metrics: await freePort(),
      peer: await freePort(),
      data: o.data?.[i] ?? join(folder, `m${i}`),
    })),
  );
  const cluster = places.map(({ name, peer }) => `${name}=http://127.0.0.1:${peer}`).join(",");
  const members = places.map((place) => new Member(place, cluster, o));
  try {
    await Promise.all(members.map((member) => member.restart()));
  } catch (error) {
    await close();
    throw error;
  }
  async function close(): Promise<void> {
    await Promise.all(members.map((member) => member.end()));
    rmSync(folder, { recursive: true, force: true });
  }
  return { members, close };
}

class Member implements EtcdMember {
  readonly address: string;
  readonly metricsUrl: string;
  #child: ChildProcess | undefined;

  constructor(
    readonly place: { name: string; client: number; metrics: number; peer: number; data: string },
    readonly cluster: string,
    readonly o: EtcdOptions,
  ) {
    this.address = `127.0.0.1:${place.client}`;
    this.metricsUrl = `http://127.0.0.1:${place.metrics}`;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error(`${this.place.name} does not run`);
    return pid;
  }

  async restart(): Promise<void> {
    const { name, peer, data } = this.place;
    const { tls } = this.o;
    const client = `${tls ? "https" : "http"}://${this.address}`;
    const child = spawn(
      this.o.program,
      [
        ...["--name", name, "--data-dir", data],
        ...["--listen-client-urls", client, "--advertise-client-urls", client],
        ...["--listen-metrics-urls", this.metricsUrl],
        ...["--listen-peer-urls", `http://127.0.0.1:${peer}`],
        ...["--initial-advertise-peer-urls", `http://127.0.0.1:${peer}`],
        ...["--initial-cluster", this.cluster, "--initial-cluster-token", this.cluster],
        ...["--heartbeat-interval", "100", "--election-timeout", "1000", "--log-level", "error"],
        ...(tls ? ["--cert-file", tls.cert, "--key-file", tls.key] : []),
        ...(tls ? ["--client-cert-auth", "--trusted-ca-file", tls.clientCa] : []),
        ...(this.o.flags ?? []),
      ],
      { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, ...this.o.env } },
    );
    this.#child = child;
    let said = "";
    child.stderr?.on("data", (chunk) => {
      said = (said + chunk).slice(-4000);
    });
    const endMs = Date.now() + 30_000;
    while (!(await this.#isHealthy())) {
      if (child.exitCode !== null) throw new Error(`etcd ${name} ended with ${child.exitCode}: ${said}`);
      if (Date.now() > endMs) throw new Error(`etcd ${name} does not answer: ${said}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }

  wipe(): void {
    rmSync(this.place.data, { recursive: true, force: true });
  }

  stop(): void {
    process.kill(this.pid, "SIGSTOP");
  }

  goOn(): void {
    process.kill(this.pid, "SIGCONT");
  }

  async end(): Promise<void> {
    if (!this.#child) return;
    this.#child.kill("SIGCONT");
    await stopProcess(this.#child);
  }

  async #isHealthy(): Promise<boolean> {
    try {
      const answer = await fetch(`${this.metricsUrl}/health`, { signal: AbortSignal.timeout(1_000) });
      return answer.ok && String(((await answer.json()) as { health: unknown }).health) === "true";
    } catch {
      return false;
    }
  }
}
