/**
 * Hugging Face models, text and vision-language, on `transformers` in a Python worker of this agent's own (worker/): one
 * process a model, on the CPU or on the GPUs that were leased for it, and one answer at a time in it.
 *
 * 1. A worker sees the leased devices and nothing else, and reaches the hub only where the operator allows downloads.
 * 2. Answers are greedy unless the suite gives a temperature above 0: what a suite does not ask for is neutral, whatever
 *    the model's own generation_config says. What was used stands in the record, under `server`.
 * 3. Code that comes with a model runs only if both the suite (trust_remote_code) and the operator allow it.
 * 4. The record names the model by what was loaded: the hub's commit, or a hash over the local files.
 */
import { HUGGINGFACE_OPTIONS, optionProblems } from "../../../shared/benchmark/engine-options.js";
import type { ModelSpec } from "../../../shared/benchmark/plan.js";
import type { Clock } from "../../../shared/runtime/clock.js";
import type { Processes } from "../../processes/processes.js";
import {
  type Engine,
  EngineError,
  type EngineEvent,
  type EngineOptions,
  type EnginePlace,
  type InferenceRequest,
  type PreparedModel,
} from "../engine.js";
import { notApplied } from "../not-applied.js";
import { unlessAborted } from "../unless-aborted.js";
import { EnvironmentWatch } from "./environment.js";
import type { Done, Loaded } from "./messages.js";
import { loadKey, type WorkerConfig, workerPlan } from "./plan.js";
import { Worker, type WorkerPlan } from "./worker.js";

export interface HuggingfaceConfig extends WorkerConfig {
  /** The agent's environment, for looking at the interpreter. */
  env: NodeJS.ProcessEnv;
}

interface Parts {
  clock: Clock;
  processes: Pick<Processes, "start">;
}

/** One worker and those who use it. */
interface Entry {
  users: number;
  started: Promise<{ worker: Worker; loaded: Loaded; loadNs: number }>;
  /** Whether it failed to start, or its process is gone. */
  isOver(): boolean;
  /** Ends a start that nobody waits for any more. */
  stop: AbortController;
}

const GENERATION = ["temperature", "max_tokens", "seed", "num_ctx", "repeat_penalty", "stop"];
/** Mean something only where answers are sampled. */
const SAMPLING = ["top_p", "top_k"];
const OPTIONS = Object.keys(HUGGINGFACE_OPTIONS);

export function createHuggingfaceEngine(config: HuggingfaceConfig, parts: Parts): Engine {
  const { clock, processes } = parts;
  const environment = new EnvironmentWatch(config.python, clock, config.env);
  const entries = new Map<string, Entry>();
  /** Digests of local folders by their stamps: hashing many gigabytes again for each load would be waste. */
  const digests = new Map<string, { stamp: string; digest: string }>();

  async function prepare(
    model: ModelSpec,
    jobOptions: EngineOptions,
    signal: AbortSignal,
    place: EnginePlace,
  ): Promise<PreparedModel> {
    const options = { ...jobOptions, ...model.options };
    const [problem] = optionProblems(HUGGINGFACE_OPTIONS, known(options));
    if (problem) throw new EngineError("engine", "bad_option", `option ${problem.key} ${problem.message}`);
    const key = loadKey(model, options, place);
    const plan = workerPlan(config, model, options, place, digests.get(model.model));
    const found = entries.get(key);
    const isNew = found === undefined || found.isOver();
    const entry = isNew ? begin(key, plan) : found;
    entry.users += 1;
    const leave = leaver(key, entry);
    try {
      const { worker, loaded, loadNs } = await unlessAborted(entry.started, signal);
      if (loaded.stamp !== undefined)
        digests.set(model.model, { stamp: loaded.stamp, digest: loaded.digest });
      return prepared(worker, loaded, isNew ? loadNs : 0, { model, options, place }, leave);
    } catch (error) {
      await leave();
      throw error;
    }
  }

  function begin(key: string, plan: WorkerPlan): Entry {
    const stop = new AbortController();
    let isOver = () => false;
    const started = Worker.start(plan, { processes, clock }, stop.signal);
    started.then(
      ({ worker }) => {
        isOver = () => worker.gone !== undefined;
      },
      () => {
        isOver = () => true;
      },
    );
    const entry: Entry = { users: 0, stop, started, isOver: () => isOver() };
    entries.set(key, entry);
    return entry;
  }

  /** Gives up one use, once; the last one ends the worker. */
  function leaver(key: string, entry: Entry): () => Promise<void> {
    let left = false;
    return async () => {
      if (left) return;
      left = true;
      entry.users -= 1;
      if (entry.users > 0) return;
      if (entries.get(key) === entry) entries.delete(key);
      await end(entry);
    };
  }

  async function end({ stop, started }: Entry, graceMs?: number): Promise<void> {
    stop.abort(new EngineError("engine", "unloaded", "nobody waits for this model any more"));
    await started.then(({ worker }) => worker.stop(graceMs)).catch(() => {});
  }

  return {
    kind: "huggingface",
    // Any model of the hub, or on the disk, may be named: there is none to list.
    probe: async (signal) => ({ ...(await environment.look(signal)), models: [] }),
    prepare,
    async close() {
      const all = [...entries.values()];
      entries.clear();
      await Promise.all(all.map((entry) => end(entry, 0)));
    },
  };
}

function prepared(
  worker: Worker,
  loaded: Loaded,
  loadNs: number,
  { model, options, place }: { model: ModelSpec; options: EngineOptions; place: EnginePlace },
  unload: () => Promise<void>,
): PreparedModel {
  const { versions } = loaded;
  return {
    identity: {
      version: `${versions.transformers} torch ${versions.torch}`,
      digest: loaded.digest,
      args: argsOf(loaded, options, place),
    },
    loadNs,
    flags: loaded.pinned ? [] : ["revision_not_pinned"],
    notApplied(generation, given) {
      const samples = (generation.temperature ?? 0) > 0;
      const options = OPTIONS.filter((option) => option !== "device_map" || place.gpus.length > 1);
      const applied = [...GENERATION, ...(samples ? SAMPLING : []), ...options];
      return notApplied(generation, { ...given, ...model.options }, applied);
    },
    // Waiting for another attempt's answer counts to no latency and no timeout.
    admit: async (_request, signal) => ({ end: await worker.turn(signal) }),
    isGone: () => worker.gone !== undefined,
    run: (request, signal) => answer(worker, { ...request.options, ...model.options }, request, signal),
    unload,
  };
}

const argsOf = (loaded: Loaded, options: EngineOptions, place: EnginePlace): string[] => [
  `dtype=${loaded.dtype}`,
  `devices=${place.gpus.length > 0 ? place.gpus.join("+") : loaded.devices.join("+")}`,
  `architecture=${loaded.architecture}`,
  ...(loaded.commit === null ? [] : [`commit=${loaded.commit}`]),
  ...(loaded.gguf === null ? [] : [`gguf_file=${loaded.gguf}`]),
  ...(loaded.chat_template ? [] : ["chat_template=none"]),
  ...(options["trust_remote_code"] === true ? ["trust_remote_code"] : []),
  ...(place.gpus.length > 0 ? [] : [`threads=${loaded.threads}`]),
];

async function* answer(
  worker: Worker,
  options: EngineOptions,
  request: InferenceRequest,
  signal: AbortSignal,
): AsyncGenerator<EngineEvent> {
  const { system, user, generation } = request;
  const { temperature, max_tokens, top_p, top_k, seed, num_ctx, repeat_penalty, stop } = generation;
  const think = options["think"];
  const settings = {
    ...{ temperature, max_tokens, top_p, top_k, seed, num_ctx, repeat_penalty, stop },
    ...(typeof think === "boolean" && { think }),
  };
  const images = request.images.map(({ name, bytes }) => ({
    name,
    data: Buffer.from(bytes).toString("base64"),
  }));
  let heard = false;
  for await (const event of worker.generate(
    { ...(system !== undefined && { system }), user, images, settings },
    signal,
  )) {
    const { tNs } = event;
    if (event.event === "sent") yield { kind: "sent", tNs };
    else {
      if (!heard) yield { kind: "first_byte", tNs };
      heard = true;
      if (event.event === "done") yield doneOf(event, tNs);
      else if (event.text !== "") yield { kind: "delta", tNs, channel: "content", text: event.text };
    }
  }
}

const doneOf = (done: Done, tNs: number): EngineEvent => ({
  ...{ kind: "done", tNs, finish: done.finish, text: done.text, refused: false },
  tokens: { in: done.tokens_in, out: done.tokens_out, source: "server" },
  ...{ server: done.figures, flags: done.flags },
});

/** Options of other engines may stand in an engine_config that several share; those are reported as not applied. */
const known = (options: EngineOptions): EngineOptions =>
  Object.fromEntries(Object.entries(options).filter(([key]) => Object.hasOwn(HUGGINGFACE_OPTIONS, key)));
