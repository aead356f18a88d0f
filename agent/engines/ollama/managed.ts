/**
 * Models on Ollama servers that the agent starts: one server for each model and place, which it shares with nobody.
 *
 * 1. A model is ready when it has made a token; load time is that of the load alone, from the disk as it is.
 * 2. No request waits inside the server: it gets as many at once as it was started for, the others wait before they are sent.
 * 3. A runner that ends is the end of its server: Ollama would start another inside of the next request's time.
 * 4. Where a GPU was leased, a model that is not all in GPU memory is an error.
 */
import type { ModelResponse } from "ollama";
import type { ModelSpec } from "../../../shared/benchmark/plan.js";
import type { Logger } from "../../../shared/runtime/logger.js";
import type { Processes } from "../../processes/processes.js";
import {
  EngineError,
  type EngineEvent,
  type EngineOptions,
  type EnginePlace,
  type InferenceRequest,
  NO_GPU,
  type PreparedModel,
} from "../engine.js";
import type { GpuMemory } from "../memory/gpu-memory.js";
import { notApplied } from "../not-applied.js";
import { endingError } from "../server/ending.js";
import type { Life, ServerPlan } from "../server/server-life.js";
import { SupervisedServer } from "../server/supervised-server.js";
import { Admission } from "./admission.js";
import {
  MANAGED_OPTIONS,
  type ManagedOptions,
  managedArgs,
  managedOptions,
  serverEnvironment,
} from "./options.js";
import type { Pulls } from "./pulls.js";
import { partialOffload } from "./requests.js";
import { isAlive, type Runner, runnersOf } from "./runners.js";
import { findModel, OllamaServer, type ServerAccess } from "./server.js";
import { identityOf, SUPPORTED } from "./shared.js";
import { Turns } from "./turns.js";

export interface ManagedConfig {
  /** The program: a path, or a name to look up in PATH. */
  path: string;
  /** Folder of its models; its own default where it is absent. */
  modelsDir: string | undefined;
}

export interface ManagedParts extends ServerAccess {
  processes: Pick<Processes, "start">;
  log: Logger;
  pulls: Pulls;
  /** Where it is known what GPUs have. */
  gpus?: GpuMemory;
}

/** What was seen when a server was tried out. */
interface Loaded {
  version: string;
  found: ModelResponse;
  loadNs: number;
  /** As the server has it: a model's own setting goes before the server's, and no model takes more than it can. */
  contextTokens?: number;
  /** In GPU memory, as the server says. */
  gpuBytes: number;
  runners: Runner[];
}

/** A pull has no deadline but the caller's; one that stalls ends by itself. */
const PULL_MS = 7 * 86_400_000;
/** At the agent's stop a server has this long to end by itself, ms. */
const CLOSE_MS = 1_000;
/** Words of a runner's end come a moment after it. */
const LAST_WORDS_MS = 200;

export class ManagedOllama {
  private readonly servers = new Set<SupervisedServer>();
  private readonly starting = new Set<Promise<unknown>>();
  private readonly closing = new AbortController();
  private readonly admission: Admission | undefined;

  constructor(
    private readonly config: ManagedConfig,
    private readonly parts: ManagedParts,
  ) {
    const { gpus, log } = parts;
    const { modelsDir } = config;
    this.admission = gpus && modelsDir ? new Admission(gpus, modelsDir, log) : undefined;
  }

  /** Throws EngineError. */
  async prepare(
    model: ModelSpec,
    options: EngineOptions,
    signal: AbortSignal,
    place: EnginePlace,
  ): Promise<PreparedModel> {
    const name = model.model;
    const told = managedOptions(options, place);
    // Loaded until it is unloaded.
    const own: EngineOptions = { ...options, keep_alive: -1 };
    if (options["pull"] === true) await this.pull(name, told, signal);
    if (place.gpus.length > 0) await this.admission?.check(name, told, place, signal);
    let loaded: Loaded | undefined;
    const plan: ServerPlan = {
      ...this.planOf(name, told, place),
      tryOut: async (url, its, { pid }) => {
        const seen = await this.load(this.at(url, name), name, own, place, its);
        if (loaded && loaded.found.digest !== seen.found.digest)
          throw changed(name, loaded.found.digest, seen.found.digest);
        loaded = { ...seen, runners: runnersOf(pid) };
      },
    };
    const server = await this.start(plan, place, signal);
    if (loaded === undefined) throw new EngineError("engine", "internal", `${plan.name}: was not tried out`);
    const { version, found, loadNs, contextTokens = told.contextTokens, gpuBytes } = loaded;
    if (place.gpus.length > 0) await this.admission?.took(found.digest, told, place, gpuBytes);
    const turns = new Turns(told.parallel);
    const runners = () => loaded?.runners ?? [];
    return {
      identity: { version, ...identityOf(found), args: managedArgs({ ...told, contextTokens }, place) },
      loadNs,
      flags: [],
      notApplied: (generation, given) => notApplied(generation, given, [...SUPPORTED, ...MANAGED_OPTIONS]),
      isGone: () => server.failed !== undefined,
      run: (request, its) =>
        this.run(
          server,
          turns,
          runners,
          name,
          { ...request.options, ...model.options, keep_alive: -1 },
          request,
          its,
        ),
      unload: () => this.stop(server),
    };
  }

  /** Resolves when no server of it is left. */
  async close(): Promise<void> {
    this.closing.abort(new EngineError("engine", "server_stopped", "Ollama of this agent: the agent stops"));
    await Promise.allSettled(this.starting);
    await Promise.all([...this.servers].map((server) => server.stop(CLOSE_MS)));
    this.servers.clear();
  }

  /** Throws EngineError, or the signal's reason. */
  private async start(plan: ServerPlan, place: EnginePlace, signal: AbortSignal): Promise<SupervisedServer> {
    const either = AbortSignal.any([signal, this.closing.signal]);
    const starting = SupervisedServer.start(plan, place, this.parts, either);
    this.starting.add(starting);
    try {
      const server = await starting;
      this.servers.add(server);
      return server;
    } finally {
      this.starting.delete(starting);
    }
  }

  private async stop(server: SupervisedServer): Promise<void> {
    await server.stop();
    this.servers.delete(server);
  }

  private planOf(model: string, told: ManagedOptions, place: EnginePlace): Omit<ServerPlan, "tryOut"> {
    const { path, modelsDir } = this.config;
    return {
      name: `ollama serve for ${model}`,
      path,
      args: () => ["serve"],
      env: (port) => serverEnvironment(told, place, modelsDir, port),
      loadTimeoutMs: told.loadTimeoutMs,
      isReady: async (url, signal) => {
        try {
          return (await this.at(url, model).version(signal)) !== "";
        } catch (error) {
          signal.throwIfAborted();
          if (error instanceof EngineError && error.kind === "transient") return false;
          throw error;
        }
      },
    };
  }

  private at(url: string, model: string): OllamaServer {
    return new OllamaServer(url, `Ollama of this agent, model ${model}`, this.parts);
  }

  private async load(
    server: OllamaServer,
    model: string,
    options: EngineOptions,
    place: EnginePlace,
    signal: AbortSignal,
  ): Promise<Omit<Loaded, "runners">> {
    const { clock } = this.parts;
    const folder = this.config.modelsDir ? `OLLAMA_MODELS=${this.config.modelsDir} ` : "";
    const version = await server.version(signal);
    const found = await findModel(
      server,
      model,
      `run \`${folder}ollama pull ${model}\` on this node`,
      signal,
    );
    if ("remote_host" in found) {
      const message = `${server.where}: it runs on ${found.remote_host}, not here; leave engine_config.device out`;
      throw new EngineError("engine", "remote_model", message);
    }
    const startNs = clock.nowNs();
    await server.load(model, options, signal);
    const loadNs = clock.nowNs() - startNs;
    await server.oneToken(model, options, signal);
    const running = await server.running(model, signal);
    if (place.gpus.length > 0) refuseOffload(server.where, model, running);
    // Newer than the client's types.
    const { context_length: contextTokens } = (running ?? {}) as { context_length?: number };
    const gpuBytes = running?.size_vram ?? 0;
    return { version, found, loadNs, gpuBytes, ...(contextTokens && { contextTokens }) };
  }

  private async *run(
    server: SupervisedServer,
    turns: Turns,
    runners: () => Runner[],
    model: string,
    options: EngineOptions,
    request: InferenceRequest,
    signal: AbortSignal,
  ): AsyncGenerator<EngineEvent> {
    const giveBack = await turns.take(signal);
    try {
      const { life } = server;
      if (life && !runners().every(isAlive)) server.lost(life, runnerEnd(model, life));
      const chat = (url: string, its: AbortSignal) =>
        this.watched(server, runners, model, this.at(url, model).chat(model, options, request, its));
      yield* server.use(signal, chat);
    } finally {
      giveBack();
    }
  }

  /** The answer, or how the runner ended that made it (invariant 3). */
  private async *watched(
    server: SupervisedServer,
    runners: () => Runner[],
    model: string,
    events: AsyncIterable<EngineEvent>,
  ): AsyncGenerator<EngineEvent> {
    const { life } = server;
    try {
      yield* events;
    } catch (error) {
      const mayBeItsEnd = error instanceof EngineError && error.kind !== "oom";
      if (mayBeItsEnd && life && life === server.life && !runners().every(isAlive)) {
        await this.parts.clock.sleep(LAST_WORDS_MS);
        const end = runnerEnd(model, life);
        server.lost(life, end);
        throw end;
      }
      throw error;
    }
  }

  /** By a server of its own, which sees no GPU and has all the time it needs. */
  private async pull(model: string, told: ManagedOptions, signal: AbortSignal): Promise<void> {
    const plan: ServerPlan = {
      ...this.planOf(model, told, NO_GPU),
      name: `ollama serve to pull ${model}`,
      loadTimeoutMs: PULL_MS,
      tryOut: (url, its) => this.parts.pulls.ifMissing(this.at(url, model), model, its),
    };
    await this.stop(await this.start(plan, NO_GPU, signal));
  }
}

/** Throws when a model is not where it should be (invariant 4). */
function refuseOffload(where: string, model: string, loaded: ModelResponse | undefined): void {
  if (loaded === undefined) {
    const message = `${where}: \`ollama ps\` does not show ${model} after its first token, so nobody knows where it is; see its log`;
    throw new EngineError("engine", "not_loaded", message);
  }
  const partial = partialOffload(loaded);
  if (partial === undefined) return;
  if (loaded.size_vram === 0) {
    const hint = "its log says why it found none: a driver it does not know, or a build without CUDA";
    throw new EngineError(
      "engine",
      "gpu_not_used",
      `${where}: it does not use the GPU that was leased for it; ${hint}`,
    );
  }
  const hint = "use a smaller model or context, fewer parallel requests, or a larger device";
  throw new EngineError("oom", "partial_offload", `${where}: ${partial}; ${hint}`);
}

/** A server that starts again must not answer with another model than the one that the records name. */
const changed = (model: string, was: string, is: string): EngineError =>
  new EngineError("engine", "model_changed", `Ollama of this agent: ${model} was ${was} and is now ${is}`);

function runnerEnd(model: string, { program, readyMark }: Life): EngineError {
  const name = `the runner of ollama serve for ${model}`;
  const said = program.said(readyMark);
  return endingError({ name, how: "its process is gone", said, during: "serving", secrets: [] });
}
