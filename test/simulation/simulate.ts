/** Many schedules, on several processes at once. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bundle, type Patch } from "./build.js";
import type { Answer, Order } from "./orders.js";
import type { Outcome } from "./schedule.js";

/** Inside the project, so that its packages are found from there. */
const CACHE = fileURLToPath(new URL("../../.cache/", import.meta.url));
const AT_ONCE = 20;

export interface Report {
  outcomes: Outcome[];
  transitions: Map<string, number>;
  faults: Map<string, number>;
}

/** The built simulation; `close` removes it. */
export interface Built {
  file: string;
  close(): Promise<void>;
}

/** Builds the simulation, with planted changes of real files if there are any. */
export async function buildSimulation(patches: readonly Patch[] = []): Promise<Built> {
  await mkdir(CACHE, { recursive: true });
  const folder = await mkdtemp(join(CACHE, "simulation-"));
  const close = () => rm(folder, { recursive: true, force: true });
  const file = join(folder, "worker.mjs");
  try {
    await bundle(file, patches);
  } catch (error) {
    await close();
    throw error;
  }
  return { file, close };
}

export class Worker {
  private readonly child: ChildProcess;
  private readonly ready: Promise<unknown>;
  private failed: Error | undefined;
  private reject: (error: Error) => void = () => {};

  constructor(file: string) {
    this.child = fork(file, { execArgv: ["--max-semi-space-size=32"] });
    this.child.once("exit", (code, signal) => {
      this.failed = new Error(`a worker of the simulation ended with ${signal ?? code}`);
      this.reject(this.failed);
    });
    this.ready = this.next("ready");
  }

  /** One order at a time. Rejects when the process ends. */
  async ask<K extends Order["kind"]>(order: Order & { kind: K }): Promise<Answer & { kind: K }> {
    await this.ready;
    const answer = this.next(order.kind);
    this.child.send(order);
    return (await answer) as Answer & { kind: K };
  }

  async close(): Promise<void> {
    this.reject = () => {};
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill("SIGKILL");
    await once(this.child, "exit");
  }

  private next(kind: Answer["kind"]): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.failed) return reject(this.failed);
      this.reject = reject;
      this.child.once("message", (answer: Answer) => {
        if (answer.kind === kind) resolve(answer);
        else reject(new Error(`a worker answered ${answer.kind} to ${kind}`));
      });
    });
  }
}

/** Runs the schedules of these seeds; stops early when `enough` says so. Outcomes are in the order of the seeds. */
export async function simulate(
  file: string,
  seeds: readonly number[],
  workers: number,
  enough: (report: Report) => boolean = () => false,
): Promise<Report> {
  const report: Report = { outcomes: [], transitions: new Map(), faults: new Map() };
  let next = 0;
  const work = async (): Promise<void> => {
    const worker = new Worker(file);
    try {
      while (next < seeds.length && !enough(report)) {
        const some = seeds.slice(next, next + AT_ONCE);
        next += some.length;
        const answer = await worker.ask({ kind: "many", seeds: some });
        report.outcomes.push(...answer.outcomes);
        add(report.transitions, answer.transitions);
        add(report.faults, answer.faults);
      }
    } finally {
      await worker.close();
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
  const order = new Map(seeds.map((seed, i) => [seed, i]));
  report.outcomes.sort((a, b) => (order.get(a.seed) ?? 0) - (order.get(b.seed) ?? 0));
  return report;
}

function add(to: Map<string, number>, counts: { [name: string]: number }): void {
  for (const [name, n] of Object.entries(counts)) to.set(name, (to.get(name) ?? 0) + n);
}
