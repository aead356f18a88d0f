/**
 * Servers with the OpenAI chat API that run already, OpenAI itself among them; the agent only connects.
 *
 * 1. The operator's key goes to the operator's server only, never to a `base_url` of a suite, and stands in no error.
 */

import type { ModelSpec } from "../../shared/benchmark/plan.js";
import { listPrice } from "../../shared/benchmark/prices.js";
import type { Clock } from "../../shared/runtime/clock.js";
import { errorText } from "../../shared/runtime/errors.js";
import { type BaseUrl, baseUrlOf } from "./base-url.js";
import {
  type Engine,
  EngineError,
  type EngineOptions,
  type EngineProbe,
  type PreparedModel,
} from "./engine.js";
import { connectionPool } from "./http.js";
import { knownPrice, type RemoteConfig, RemoteLimits } from "./limits/remote-limits.js";
import { notApplied } from "./not-applied.js";
import {
  CHAT_SETTINGS,
  type ChatServer,
  chat,
  chatAddress,
  OPENAI_ITSELF,
  servedModels,
} from "./openai-chat.js";

interface Parts {
  clock: Clock;
  /** Silence of an answer's body after which it is given up, ms. */
  stallMs: number;
}

const SUPPORTED = [...CHAT_SETTINGS, "base_url"];

export function createOpenAiEngine(config: RemoteConfig, parts: Parts): Engine {
  const pool = connectionPool(parts.stallMs);
  const { clock } = parts;
  const limits = new RemoteLimits(config, clock);

  const serverAt = (base: BaseUrl, where: string): ChatServer => ({
    ...{ pool, clock, where, url: base.url },
    ...(base.configured && config.apiKey
      ? { headers: { authorization: `Bearer ${config.apiKey}` }, secret: config.apiKey }
      : { headers: {} }),
  });

  async function probe(signal: AbortSignal): Promise<EngineProbe> {
    const unavailable = (why: string) => ({ version: "", models: [], unavailable: why });
    if (config.baseUrl === undefined || config.baseUrl === "")
      return unavailable("no base URL is configured");
    if (OPENAI_ITSELF.test(config.baseUrl) && !config.apiKey) return unavailable("no API key is configured");
    try {
      const base = { url: config.baseUrl.replace(/\/+$/, ""), configured: true };
      const server = serverAt(base, `OpenAI-compatible server at ${base.url}`);
      return { version: "", models: await servedModels(server, signal) };
    } catch (error) {
      return unavailable(errorText(error));
    }
  }

  async function prepare(
    model: ModelSpec,
    options: EngineOptions,
    signal: AbortSignal,
  ): Promise<PreparedModel> {
    const base = baseUrlOf({ ...options, ...model.options }, config.baseUrl);
    const where = `OpenAI-compatible server at ${base.url}, model ${model.model}`;
    const server = serverAt(base, where);
    const listed = OPENAI_ITSELF.test(base.url) ? listPrice("openai", model.model) : undefined;
    const billed = limits.billedPrice(where, base.configured, model.price, listed);
    const served = await servedModels(server, signal).catch((error: unknown) => {
      // Not every compatible server lists its models; the first request will tell.
      if (error instanceof EngineError && error.class === "not_found") return undefined;
      throw error;
    });
    if (served !== undefined && !served.includes(model.model)) {
      const some = served.slice(0, 10).join(", ");
      throw new EngineError(
        "engine",
        "model_missing",
        `${where}: the server does not serve it; it serves: ${some}`,
      );
    }
    return {
      identity: {
        version: "",
        ...(model.quant === undefined ? {} : { quant: model.quant }),
        args: [`base_url=${base.url}`],
      },
      loadNs: 0,
      flags: [],
      ...knownPrice(model.price, listed),
      notApplied: (generation, given) => notApplied(generation, given, SUPPORTED),
      run: (request, requestSignal) => chat(server, model.model, request, requestSignal),
      load: {
        ...(base.configured && limits.forLoad(where)),
        use: (itsSignal, work) =>
          work(chatAddress(server, model.model, { fixesLength: !OPENAI_ITSELF.test(base.url) }), itsSignal),
      },
      // Another server's turns are none of the operator's.
      ...(base.configured && {
        admit: (request, requestSignal) => limits.admit(model.model, request, billed, requestSignal),
      }),
      // The server decides about its models.
      unload: async () => {},
    };
  }

  return {
    kind: "openai",
    probe,
    prepare,
    close: async () => {
      await limits.close();
      await pool.destroy();
    },
  };
}
