/**
 * Models on vLLM or SGLang servers that the agent starts: one server for each model and place, on the GPUs leased for it,
 * spoken to as to any server with the OpenAI API.
 *
 * 1. A model is ready when it has made a token; its load time is from the start of the program until then.
 * 2. A server takes a share of whole GPUs: a part of a GPU that others use is refused.
 * 3. What it was told stands in every record: version, arguments, not the port.
 * 4. The end of the server is the end of the attempt: `death`, or `oom` where its log says so.
 */
import { request as httpRequest } from "undici";
import { SERVED_OPTIONS } from "../../../shared/benchmark/engine-options.js";
import { PLACE_OPTIONS } from "../../../shared/benchmark/placement.js";
import type { ModelSpec } from "../../../shared/benchmark/plan.js";
import type { Clock } from "../../../shared/runtime/clock.js";
import { errorText } from "../../../shared/runtime/errors.js";
import type { Logger } from "../../../shared/runtime/logger.js";
import type { Processes } from "../../processes/processes.js";
import {
  type Engine,
  EngineError,
  type EngineEvent,
  type EngineOptions,
  type EnginePlace,
  type EngineProbe,
  type InferenceRequest,
  type PreparedModel,
} from "../engine.js";
import { connectionPool } from "../http.js";
import { notApplied } from "../not-applied.js";
import { CHAT_SETTINGS, type ChatServer, chat, chatAddress, servedModels } from "../openai-chat.js";
import type { ServerPlan } from "../server/server-life.js";
import { SupervisedServer } from "../server/supervised-server.js";
import { unlessAborted } from "../unless-aborted.js";
import type { Flavour } from "./flavours.js";
import { type ServedConfig, toldOptions } from "./options.js";
import { VersionOf } from "./version.js";

export interface ServedParts {
  processes: Pick<Processes, "start">;
  clock: Clock;
  log: Logger;
  /** Silence of an answer's body after which it is given up, ms. */
  stallMs: number;
  /** The number of a GPU as nvidia-smi counts, by UUID. */
  gpuIndex(uuid: string): number | undefined;
}

/** Both take these beside what OpenAI has. */
const MORE_SETTINGS = ["top_k", "repeat_penalty", "num_ctx"];
const ARGUMENTS = Object.keys(SERVED_OPTIONS);
/** At the agent's stop a server has this long to end by itself, ms. */
const CLOSE_MS = 1_000;
/** How long a probe waits for a version that is being asked for, ms. */
const VERSION_MS = 2_000;

export function createServedEngine(flavour: Flavour, config: ServedConfig, parts: ServedParts): Engine {
  const { kind, title } = flavour;
  const { clock } = parts;
  const pool = connectionPool(parts.stallMs);
  const servers = new Set<SupervisedServer>();
  const starting = new Set<Promise<unknown>>();
  const closing = new AbortController();
  const version = config.path === undefined ? undefined : new VersionOf(flavour, config.path, parts);

  async function probe(signal: AbortSignal): Promise<EngineProbe> {
    if (version === undefined) {
      const unavailable = `engines.${kind}.path names no ${title}`;
      return { version: "", models: [], unavailable };
    }
    const waited = new AbortController();
    const late = clock.sleep(VERSION_MS, waited.signal).catch(() => {});
    try {
      signal.throwIfAborted();
      await Promise.race([version.ask(), late]);
      // It downloads what it does not have: which models there are is not known.
      return { version: version.known, models: [] };
    } catch (error) {
      return { version: "", models: [], unavailable: errorText(error) };
    } finally {
      waited.abort();
    }
  }

  async function prepare(
    model: ModelSpec,
    options: EngineOptions,
    signal: AbortSignal,
    place: EnginePlace,
  ): Promise<PreparedModel> {
    const told = toldOptions(kind, model, options, place, config);
    if (version === undefined || config.path === undefined)
      throw new EngineError("engine", "cannot_start", `engines.${kind}.path names no ${title}`);
    const found = await unlessAborted(version.ask(), AbortSignal.any([signal, closing.signal]));
    const name = `${title} ${found} for ${model.model}`;
    const args = [...flavour.args(model, told), ...config.args];
    const { path, token } = config;
    const at = (url: string): ChatServer => ({ pool, clock, headers: {}, where: name, url: `${url}/v1` });
    const plan: ServerPlan = {
      ...{ name, path, loadTimeoutMs: told.loadTimeoutMs },
      args: (port) => [...args, `--port=${port}`],
      env: () => ({ ...flavour.env, ...(token && { HF_TOKEN: token }) }),
      secrets: token ? [token] : [],
      isReady: (url, its) => isHealthy(url, its),
      tryOut: async (url, its) => {
        const served = await servedModels(at(url), its);
        if (!served.includes(model.model)) {
          const message = `${name}: it serves ${served.join(", ")} instead`;
          throw new EngineError("engine", "model_missing", message);
        }
        for await (const _event of chat(at(url), model.model, ONE_TOKEN, its));
      },
    };
    const server = await start(plan, placeFor(found, place), signal);
    return {
      identity: {
        version: found,
        ...(model.quant === undefined ? {} : { quant: model.quant }),
        args,
      },
      loadNs: server.life?.loadNs ?? 0,
      flags: [],
      notApplied: (generation, given) =>
        notApplied(generation, given, [...CHAT_SETTINGS, ...MORE_SETTINGS, ...ARGUMENTS, ...PLACE_OPTIONS]),
      isGone: () => server.failed !== undefined,
      run: (request, its) =>
        server.use(
          its,
          (url, inner): AsyncIterable<EngineEvent> =>
            chat(at(url), model.model, request, inner, moreOf(request)),
        ),
      load: {
        use: (its, work) =>
          server.useOnce(its, (url, inner) =>
            work(chatAddress(at(url), model.model, { settings: moreOf, fixesLength: true }), inner),
          ),
      },
      unload: async () => {
        await server.stop();
        servers.delete(server);
      },
    };
  }

  async function isHealthy(url: string, signal: AbortSignal): Promise<boolean> {
    try {
      const { statusCode, body } = await httpRequest(`${url}/health`, { dispatcher: pool, signal });
      await body.dump();
      return statusCode === 200;
    } catch {
      signal.throwIfAborted();
      return false;
    }
  }

  /** The GPUs as this version can be told them. */
  function placeFor(found: string, place: EnginePlace): EnginePlace {
    const byIndex = config.gpuIds === "index" || (config.gpuIds === "auto" && !flavour.knowsUuids(found));
    if (!byIndex) return place;
    const gpus = place.gpus.map((uuid) => {
      const index = parts.gpuIndex(uuid);
      if (index !== undefined) return String(index);
      const why = uuid.startsWith("MIG-") ? "a MIG slice has no number" : "its number is not known";
      throw new EngineError(
        "engine",
        "bad_option",
        `${title} ${found} wants GPUs by number, and ${uuid}: ${why}; use a newer ${title}, or whole GPUs`,
      );
    });
    return { ...place, gpus };
  }

  async function start(plan: ServerPlan, place: EnginePlace, signal: AbortSignal): Promise<SupervisedServer> {
    const either = AbortSignal.any([signal, closing.signal]);
    const beginning = SupervisedServer.start(plan, place, parts, either);
    starting.add(beginning);
    try {
      const server = await beginning;
      servers.add(server);
      return server;
    } finally {
      starting.delete(beginning);
    }
  }

  return {
    kind,
    probe,
    prepare,
    async close() {
      closing.abort(new EngineError("engine", "server_stopped", `${title} of this agent: the agent stops`));
      await Promise.allSettled(starting);
      await Promise.all([...servers].map((server) => server.stop(CLOSE_MS)));
      servers.clear();
      await pool.destroy();
    },
  };
}

/** What OpenAI's API has no name for; both servers take it all the same. */
const moreOf = ({ generation: { top_k, repeat_penalty } }: InferenceRequest): object => ({
  ...(top_k === undefined ? {} : { top_k }),
  ...(repeat_penalty === undefined ? {} : { repetition_penalty: repeat_penalty }),
});

const ONE_TOKEN: InferenceRequest = {
  ...{ user: "Hi", images: [], options: {}, ordinal: 0, repetition: 0 },
  generation: { max_tokens: 1, temperature: 0, timeoutS: 0, maxRetries: 0, retryDelayS: 0 },
};
