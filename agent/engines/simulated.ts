/**
 * The simulated engine: scripted times, answers and faults, for load and fault tests. What it does with a sample
 * depends on (seed, model, ordinal, repetition) alone, never on time or on what ran before. It measures nothing, so
 * every record it makes is flagged `simulated`.
 *
 * Options of a model: seed, accuracy, latency_ms, ttft_ms, tpot_ms, tokens, outputs,
 * faults: {error_rate, timeout_rate, oom_rate, garbage_rate}, program, and die_on: [ordinal, …]. A loaded model stands for one
 * process: a sample of `die_on` ends it before its first delta, and with it every request in flight; the next request
 * finds a new one.
 */
import { seededRandom } from "../../shared/benchmark/seeded.js";
import type { Clock } from "../../shared/runtime/clock.js";
import { sha256 } from "../../shared/runtime/hash.js";
import type { Processes, RunningProgram } from "../processes/processes.js";
import {
  type Engine,
  EngineError,
  type EngineEvent,
  type EnginePlace,
  type InferenceRequest,
  type PreparedModel,
} from "./engine.js";
import { notApplied } from "./not-applied.js";
import { placeEnvironment } from "./server/place-environment.js";
import { answerFor, readScript, type Script } from "./simulated-script.js";

const VERSION = "1";
const FLAGS = ["simulated"];

export function createSimulatedEngine(parts: {
  clock: Clock;
  /** Needed for the option `program`. */
  processes?: Pick<Processes, "start">;
}): Engine {
  return {
    kind: "simulated",
    // Any name is a model of it, so there are none to list.
    probe: async () => ({ version: VERSION, models: [] }),
    async prepare(model, _options, signal, place): Promise<PreparedModel> {
      signal.throwIfAborted();
      const script = readScript(model.options);
      const program = script.program ? await occupy(place, parts.processes) : undefined;
      const life: Life = { ends: new AbortController() };
      return {
        identity: {
          ...{ version: VERSION, args: [`seed=${script.seed}`] },
          digest: sha256(JSON.stringify({ model: model.model, script, dieOn: [...script.dieOn] })),
        },
        loadNs: 0,
        drawsNothing: true,
        flags: FLAGS,
        notApplied: (generation, options) => notApplied(generation, options, []),
        run: (request, requestSignal) =>
          script.dieOn.size === 0
            ? play(script, model.model, request, parts.clock, requestSignal)
            : mortal(life, script, model.model, request, parts.clock, requestSignal),
        unload: async () => void (await program?.stop()),
      };
    },
    close: async () => {},
  };
}

/** Holds what was leased as a model's server does, so that leases can be tried where nothing computes. */
function occupy(
  place: EnginePlace,
  processes: Pick<Processes, "start"> | undefined,
): Promise<RunningProgram> {
  if (processes === undefined)
    throw new EngineError("engine", "bad_option", "simulated option program: no programs are started here");
  const { gpus, memoryBytes = 0, lease = "" } = place;
  const args = ["86400"];
  const env = { ...placeEnvironment(place), SIMULATED_LEASE: lease, SIMULATED_BYTES: String(memoryBytes) };
  return processes.start({
    name: `simulated model on ${gpus.join(", ") || "the CPU"}`,
    path: "sleep",
    args,
    env,
  });
}

/** The life of one simulated process. */
interface Life {
  ends: AbortController;
}

/** The same in a process that may die under it. */
async function* mortal(
  life: Life,
  script: Script,
  model: string,
  request: InferenceRequest,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<EngineEvent> {
  const { signal: end } = life.ends;
  try {
    for await (const event of play(script, model, request, clock, AbortSignal.any([signal, end]))) {
      if (event.kind === "first_byte" && script.dieOn.has(request.ordinal)) {
        const message = `simulated model ${model}: its process ended at sample ${request.ordinal}`;
        life.ends.abort(new EngineError("death", "child_died", message));
        life.ends = new AbortController();
      }
      if (end.aborted) throw end.reason;
      yield event;
    }
  } catch (error) {
    throw end.aborted && !signal.aborted ? end.reason : error;
  }
}

async function* play(
  script: Script,
  model: string,
  request: InferenceRequest,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<EngineEvent> {
  signal.throwIfAborted();
  const random = randomOf(script, model, request);
  const fault = faultOf(script, random());
  const where = `simulated model ${model}`;
  yield { kind: "sent", tNs: clock.nowNs() };
  if (fault === "timeout") await untilAborted(signal);
  if (script.ttftMs > 0) await clock.sleep(script.ttftMs, signal);
  if (fault === "error") throw new EngineError("engine", "simulated_error", `${where}: a simulated error`);
  if (fault === "oom") throw new EngineError("oom", "out_of_memory", `${where}: simulated: out of memory`);

  const right = random() < script.accuracy;
  const given = script.outputs[request.ordinal % Math.max(1, script.outputs.length)];
  const text =
    fault === "garbage"
      ? "\u0000<garbage>{"
      : (given ?? answerFor(request.user, request.target, right, random));
  const deltas = cut(text, script.tokens);
  for (const [index, delta] of deltas.entries()) {
    if (index > 0 && script.tpotMs > 0) await clock.sleep(script.tpotMs, signal);
    const tNs = clock.nowNs();
    if (index === 0) yield { kind: "first_byte", tNs };
    yield { kind: "delta", tNs, channel: "content", text: delta };
  }
  yield {
    ...{ kind: "done", tNs: clock.nowNs(), finish: "stop", text, refused: false, server: {}, flags: [] },
    tokens: { in: Math.ceil(request.user.length / 4), out: deltas.length, source: "server" },
  };
}

/** Seeded by what names the sample, so that order and concurrency change nothing. */
function randomOf(script: Script, model: string, request: InferenceRequest): () => number {
  const name = JSON.stringify([script.seed, model, request.ordinal, request.repetition]);
  return seededRandom(Number.parseInt(sha256(name).slice(0, 8), 16));
}

function faultOf(script: Script, drawn: number): "error" | "timeout" | "oom" | "garbage" | undefined {
  const { errorRate, timeoutRate, oomRate, garbageRate } = script.faults;
  if (drawn < errorRate) return "error";
  if (drawn < errorRate + timeoutRate) return "timeout";
  if (drawn < errorRate + timeoutRate + oomRate) return "oom";
  if (drawn < errorRate + timeoutRate + oomRate + garbageRate) return "garbage";
  return undefined;
}

/** The text in `count` pieces (words if there is no count), none of them empty. */
function cut(text: string, count: number | undefined): string[] {
  if (count === undefined) return text.match(/\s*\S+\s*$|\s*\S+/g) ?? [text];
  const pieces = Math.max(1, Math.min(count, text.length));
  const at = (i: number) => Math.floor((i * text.length) / pieces);
  return Array.from({ length: pieces }, (_, i) => text.slice(at(i), at(i + 1)));
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
