/**
 * Coordinators and agents as their users run them: the built program, a process each, with folders of their own below
 * a temporary one. One coordinator on its own store, or several on a real etcd. Everything here is ended by pid, and
 * `stop` says what was left behind.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type Api, connectApi } from "../support/api.js";
import { freePort } from "../support/child.js";
import { type EtcdCluster, type EtcdOptions, startEtcd } from "../support/etcd.js";
import type { Value } from "../support/etcd-eyes.js";
import { Journals } from "./journals.js";
import { descendants, isAlive, nameOf, type ProcessName, stateOf, stillAlive } from "./processes.js";
import { Recording } from "./recording.js";
import { readState } from "./state-on-disk.js";
import { seen } from "./waiting.js";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const PROGRAM = join(root, "dist/cli/main.js");
export const COORDINATOR = "coordinator";

export interface WorldOptions {
  agents: readonly string[];
  /** Attempts at once on each agent. */
  slots: number;
  /** Configuration as environment names, for all processes. */
  settings: { readonly [name: string]: string };
  /** Where an agent's own folder and the state store are; below the world's folder when absent. */
  agentIn?(id: string): string;
  storeIn?: string;
  /** False where the disk of the journals must be freed when they are removed. */
  keepsJournals?: boolean;
  /** Called when the world's folder is removed. */
  removed?(): void;
  /** Their names; one, with a store of its own, where there is no etcd. */
  coordinators?: readonly string[];
  /** The store, instead of a folder; what happens in it is recorded. */
  etcd?: EtcdOptions;
  /** Whether it is recorded, too, which coordinator asks etcd for what; then one member is all they see. */
  tapped?: boolean;
  /** Gives each agent an exclusive test device. */
  testDevice?: boolean;
  /** How often journals are looked at; 5 ms. */
  lookEveryMs?: number;
  /** What the command line of one process begins with. */
  prefixOf?(name: string): readonly string[] | undefined;
  /** Where coordinators are found; 127.0.0.1 unless said. */
  host?: string;
  /** More environment of one process. */
  settingsOf?(name: string): { readonly [name: string]: string };
}

/** More environment, by name. */
type Settings = { readonly [name: string]: string };

interface Place {
  api: number;
  agents: number;
  http: number;
  client: Api;
}

interface Running {
  child: ChildProcess;
  name: ProcessName;
}

export class World {
  readonly folder = mkdtempSync(join(tmpdir(), "sai-kills-"));
  readonly artifacts = join(this.folder, "artifacts");
  readonly storeFolder: string;
  journals!: Journals;
  /** Ids of campaigns whose submit was answered. */
  readonly acknowledged: string[] = [];
  etcd: EtcdCluster | undefined;
  /** What a scenario started besides and that ends with this world, at the latest. */
  readonly guests = new Set<() => Promise<unknown>>();
  /** There where the store is etcd. */
  recording: Recording | undefined;
  private env!: NodeJS.ProcessEnv;
  private readonly places = new Map<string, Place>();
  private readonly frozen = new Set<string>();
  private readonly running = new Map<string, Running>();
  private opening: Promise<void> | undefined;
  /** It was given up: nothing starts any more. */
  private over = false;
  /** Everything that ever ran below our processes. */
  private readonly descended = new Map<string, ProcessName>();

  private constructor(private readonly options: WorldOptions) {
    this.storeFolder = options.storeIn ?? join(this.folder, "coordinator", "state");
  }

  /** `starting` hears of it before anything runs, so that it can be ended at any moment. */
  static async start(options: WorldOptions, starting?: (world: World) => void): Promise<World> {
    const world = new World(options);
    starting?.(world);
    try {
      await world.begin();
      return world;
    } catch (error) {
      await world.abandon();
      throw error;
    }
  }

  get agents(): readonly string[] {
    return this.options.agents;
  }

  get coordinators(): readonly string[] {
    return this.options.coordinators ?? [COORDINATOR];
  }

  /** Through a coordinator that runs. */
  get api(): Api {
    const name = this.coordinators.find((one) => this.running.has(one) && !this.frozen.has(one));
    return this.apiOf(name ?? this.coordinators[0] ?? COORDINATOR);
  }

  /** Through that coordinator. */
  apiOf(name: string): Api {
    return this.place(name).client;
  }

  /** host:port that agents dial. */
  agentsAddressOf(name: string): string {
    return `127.0.0.1:${this.place(name).agents}`;
  }

  /** host:port of a coordinator's sai.v1. */
  addressOf(name: string): string {
    return `127.0.0.1:${this.place(name).api}`;
  }

  /** The coordinator that says that it leads; undefined if none does. */
  async leading(): Promise<string | undefined> {
    for (const name of this.coordinators) {
      if (!this.running.has(name) || this.frozen.has(name)) continue;
      const health = await this.health(name);
      if (health?.["leads"] === true) return name;
    }
    return undefined;
  }

  /** The same, once one does. */
  leader(): Promise<string> {
    return seen({
      what: "a coordinator leads",
      ask: () => this.leading(),
      fault: () => this.faults(),
      stallMs: 60_000,
    });
  }

  /** What a coordinator says of itself; undefined while it does not answer. */
  async health(name: string): Promise<Value | undefined> {
    try {
      const url = `http://127.0.0.1:${this.place(name).http}/health`;
      const answer = await fetch(url, { signal: AbortSignal.timeout(1_000) });
      return (await answer.json()) as Value;
    } catch {
      return undefined;
    }
  }

  /** What a coordinator's clock says, wall ms; undefined while it does not answer. */
  async clockOf(name: string): Promise<number | undefined> {
    try {
      const url = `http://127.0.0.1:${this.place(name).http}/health`;
      const answer = await fetch(url, { signal: AbortSignal.timeout(1_000) });
      return Date.parse(answer.headers.get("date") ?? "");
    } catch {
      return undefined;
    }
  }

  /** What a coordinator counts, as Prometheus reads it. */
  async metrics(name: string): Promise<string> {
    const url = `http://127.0.0.1:${this.place(name).http}/metrics`;
    return (await fetch(url, { signal: AbortSignal.timeout(5_000) })).text();
  }

  /** What the store holds, by key below `/sai/v1/`. */
  readState(): Promise<Map<string, Value>> {
    return this.recording ? this.recording.eyes.read() : readState(this.storeFolder);
  }

  agentFolder(id: string): string {
    return this.options.agentIn?.(id) ?? join(this.folder, "agents", id);
  }

  pid(name: string): number {
    return this.of(name).name.pid;
  }

  runs(name: string): boolean {
    return this.running.has(name);
  }

  /** Starts a coordinator; resolves when it is ready: it leads, or knows who does. */
  async startCoordinator(name = this.coordinators[0] ?? COORDINATOR, more: Settings = {}): Promise<void> {
    this.launchCoordinator(name, more);
    const { http } = this.place(name);
    await seen({
      what: `${name} is ready`,
      ask: async () => (await fetch(`http://127.0.0.1:${http}/readyz`)).ok,
      fault: () => this.ended(name),
    });
  }

  /** Starts a coordinator, which becomes ready by itself; `more` environment for this start. */
  launchCoordinator(name: string, more: Settings = {}): void {
    const { api, agents, http } = this.place(name);
    const ports = ["--grpc-port", `${api}`, "--agent-port", `${agents}`, "--http-port", `${http}`];
    this.start(name, [COORDINATOR, ...ports], more);
  }

  /** Starts an agent; it becomes ready by itself. `more` environment for this start. */
  startAgent(id: string, more: Settings = {}): void {
    const where = ["--id", id, "--data-dir", this.agentFolder(id)];
    this.start(id, ["agent", ...where, "--cpu-slots", `${this.options.slots}`], more);
  }

  /** Runs `sai` with these arguments to its end, against a coordinator that runs. Throws unless it exits 0. */
  async sai(args: readonly string[]): Promise<string> {
    const name =
      this.coordinators.find((one) => this.running.has(one) && !this.frozen.has(one)) ?? COORDINATOR;
    const to = ["--address", this.addressOf(name)];
    const { stdout } = await run(process.execPath, [PROGRAM, ...args, ...to], { env: this.env });
    return stdout;
  }

  /** Resolves with its exit code when a process ends that nobody asked to. */
  async endsByItself(name: string): Promise<number | null> {
    const { child } = this.of(name);
    await seen({
      what: `${name} ends by itself`,
      ask: () => child.exitCode !== null || child.signalCode !== null,
      stallMs: 60_000,
    });
    this.running.delete(name);
    return child.exitCode;
  }

  /** Resolves when these agents are ready for work. */
  async ready(agents: readonly string[] = this.agents): Promise<void> {
    await seen({
      what: `${agents.join(", ")} are ready`,
      ask: async () => {
        const nodes = await this.api.listNodes();
        return agents.every((id) => nodes.some((node) => node.id === id && node.state === "ready"));
      },
      fault: () => agents.map((id) => this.ended(id)).find((text) => text !== undefined),
    });
  }

  /** kill −9; resolves when the process is gone. What descends from it is left to end by itself. */
  async kill(name: string): Promise<void> {
    const { child } = this.of(name);
    this.noteDescendants();
    this.running.delete(name);
    const gone = once(child, "close");
    child.kill("SIGKILL");
    await gone;
  }

  /** SIGTERM; resolves with the exit code (null after a signal) and how long it took, ms. */
  async terminate(name: string): Promise<{ code: number | null; tookMs: number }> {
    const { child } = this.of(name);
    this.noteDescendants();
    this.running.delete(name);
    const beganMs = Date.now();
    return { code: await end(child), tookMs: Date.now() - beganMs };
  }

  /** SIGSTOP; resolves when the kernel says that it stands still. */
  async freeze(name: string): Promise<void> {
    const { child, name: process } = this.of(name);
    this.frozen.add(name);
    child.kill("SIGSTOP");
    await seen({ what: `${name} stands still`, ask: () => stateOf(process.pid) === "T" });
  }

  thaw(name: string): void {
    this.of(name).child.kill("SIGCONT");
    this.frozen.delete(name);
  }

  /** Processes that run below one of ours, whose command line has `pattern` in it. */
  below(name: string, pattern: RegExp): ProcessName[] {
    this.noteDescendants();
    return descendants(this.pid(name)).filter((one) => pattern.test(one.command) && isAlive(one));
  }

  /** Lines of a process's log, over all its starts. */
  log(name: string): { level: string; msg: string; [key: string]: unknown }[] {
    return this.logText(name)
      .split("\n")
      .flatMap((line) => {
        try {
          return [JSON.parse(line)];
        } catch {
          return [];
        }
      });
  }

  logText(name: string): string {
    try {
      return readFileSync(this.logPath(name), "utf8");
    } catch {
      return "";
    }
  }

  /** The last lines of every log, for a person. */
  tails(lines = 25): string {
    return [...this.coordinators, ...this.agents]
      .map((name) => `--- ${name}\n${this.logText(name).trimEnd().split("\n").slice(-lines).join("\n")}`)
      .join("\n");
  }

  /** Says when a process that should run does not. */
  faults(): string | undefined {
    return [...this.running.keys()].map((name) => this.ended(name)).find((text) => text !== undefined);
  }

  /** Ends everything in order. Throws when something did not end by itself, with 0, or left a process behind. */
  async stop(): Promise<void> {
    this.noteDescendants();
    const faults: string[] = [];
    const ended = async (name: string): Promise<void> => {
      const { child } = this.of(name);
      const code = await end(child);
      this.running.delete(name);
      if (code !== 0) faults.push(`${name} ended with ${code ?? child.signalCode}`);
    };
    await Promise.all(this.agents.filter((name) => this.running.has(name)).map(ended));
    await Promise.all([...this.running.keys()].map(ended));
    await this.journals.stop();
    await this.closeStore();
    for (const one of await stillAlive([...this.descended.values()], 5_000)) {
      faults.push(`process ${one.pid} was left behind: ${one.command}`);
      process.kill(one.pid, "SIGKILL");
    }
    if (faults.length > 0) throw new Error(faults.join("; "));
  }

  /** Removes the folder of a world that was stopped. */
  remove(): void {
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
    this.options.removed?.();
  }

  /** Ends everything at once, whatever state it is in. */
  async abandon(): Promise<void> {
    this.over = true;
    this.noteDescendants();
    const running = [...this.running.values()];
    // Whoever waits for something to happen in this world must not take these ends for it.
    this.running.clear();
    for (const { child } of running) {
      const gone = child.exitCode === null && child.signalCode === null ? once(child, "close") : undefined;
      child.kill("SIGKILL");
      await gone;
    }
    this.frozen.clear();
    for (const one of await stillAlive([...this.descended.values()], 5_000)) process.kill(one.pid, "SIGKILL");
    await this.journals?.stop();
    await this.closeStore();
  }

  private async closeStore(): Promise<void> {
    // A store that is just being started must not outlive this.
    await this.opening?.catch(() => undefined);
    for (const end of this.guests) await end();
    this.guests.clear();
    for (const { client } of this.places.values()) client.close();
    await this.recording?.close();
    await this.etcd?.close();
  }

  private async begin(): Promise<void> {
    for (const name of this.coordinators) {
      const [api, agents, http] = [await freePort(), await freePort(), await freePort()];
      this.places.set(name, { api, agents, http, client: connectApi(`127.0.0.1:${api}`) });
    }
    const config = join(this.folder, "sai.yaml");
    writeFileSync(config, this.options.testDevice ? TEST_DEVICE : "{}\n");
    this.env = {
      PATH: process.env["PATH"],
      NO_COLOR: "1",
      SAI_CONFIG_PATH: config,
      SAI_ARTIFACTS_DIR: this.artifacts,
      SAI_STORAGE_DATASETS_DIR: join(root, "examples/ocr"),
      // Nothing listens there: no outside program takes part.
      SAI_ENGINES_OLLAMA_BASE_URL: "http://127.0.0.1:1",
      ...this.options.settings,
    };
    const folders = new Map(this.agents.map((id) => [id, this.agentFolder(id)]));
    for (const folder of folders.values()) mkdirSync(folder, { recursive: true });
    const keep = join(this.folder, "kept-journals");
    this.opening = this.openStore();
    await this.opening;
    const { lookEveryMs } = this.options;
    this.journals = new Journals(
      folders,
      this.options.keepsJournals === false ? undefined : keep,
      lookEveryMs,
    );
    await Promise.all(this.coordinators.map((name) => this.startCoordinator(name)));
    this.recording?.follow(this);
    for (const id of this.agents) this.startAgent(id);
    await this.ready();
  }

  private async openStore(): Promise<void> {
    if (this.options.etcd === undefined || this.over) return;
    this.etcd = await startEtcd(this.options.etcd);
    this.recording = await Recording.start(this.etcd, this.options.tapped ? this.coordinators : undefined);
  }

  /** Where a process finds what it needs. */
  private settingsOf(name: string): { readonly [name: string]: string } {
    if (!this.places.has(name)) {
      // Each agent has another coordinator first in its list.
      const places = [...this.places.values()];
      const first = this.agents.indexOf(name) % places.length;
      const turned = [...places.slice(first), ...places.slice(0, first)];
      const host = this.options.host ?? "127.0.0.1";
      const addresses = turned.map(({ agents }) => `${host}:${agents}`).join(",");
      return { SAI_AGENT_COORDINATOR: addresses, SAI_DATA_DIR: join(this.folder, name) };
    }
    const store = this.recording
      ? { SAI_STORE_KIND: "etcd", SAI_STORE_ENDPOINTS: this.recording.endpointsOf(name).join(",") }
      : { SAI_STORE_KIND: "embedded", SAI_STORE_PATH: this.storeFolder };
    return { ...store, SAI_DATA_DIR: join(this.folder, name) };
  }

  private start(name: string, args: string[], more: Settings = {}): void {
    if (this.over) throw new Error(`${name} is not started: this world was given up`);
    // By pipes: a limit on the size of the child's files must not be one on its log.
    const [program = "", ...first] = [
      ...(this.options.prefixOf?.(name) ?? []),
      ...[process.execPath, PROGRAM, ...args],
    ];
    const child = spawn(program, first, {
      cwd: this.folder,
      env: { ...this.env, ...this.settingsOf(name), ...this.options.settingsOf?.(name), ...more },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const output of [child.stdout, child.stderr]) {
      output.on("data", (part: Buffer) => appendFileSync(this.logPath(name), part));
    }
    if (child.pid === undefined) throw new Error(`${name} could not be started`);
    this.running.set(name, { child, name: nameOf(child.pid) });
  }

  private ended(name: string): string | undefined {
    const child = this.running.get(name)?.child;
    if (child === undefined || (child.exitCode === null && child.signalCode === null)) return undefined;
    return `${name} ended by itself with ${child.exitCode ?? child.signalCode}`;
  }

  private noteDescendants(): void {
    for (const { name } of this.running.values()) {
      for (const one of descendants(name.pid)) this.descended.set(`${one.pid} ${one.startTicks}`, one);
    }
  }

  private place(name: string): Place {
    const place = this.places.get(name);
    if (place === undefined) throw new Error(`there is no coordinator ${name}`);
    return place;
  }

  private of(name: string): Running {
    const running = this.running.get(name);
    if (running === undefined) throw new Error(`${name} does not run`);
    return running;
  }

  private logPath = (name: string): string => join(this.folder, `${name}.log`);
}

const GRACE_MS = 35_000;

const TEST_DEVICE = `agent:
  test_devices:
    - { uuid: t0, slots: 1 }
`;

/** SIGTERM, and after the longest time that a stop may take SIGKILL; the exit code, null after a signal. */
async function end(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const gone = once(child, "close");
  child.kill("SIGTERM");
  const insist = setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
  await gone;
  clearTimeout(insist);
  return child.exitCode;
}
