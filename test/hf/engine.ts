/** The engine of an agent, with real workers, for one test file. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inject } from "vitest";
import {
  type Engine,
  type EngineEvent,
  type InferenceRequest,
  NO_GPU,
  type PreparedModel,
} from "../../agent/engines/engine.js";
import {
  createHuggingfaceEngine,
  type HuggingfaceConfig,
} from "../../agent/engines/huggingface/huggingface.js";
import { Processes, type RunningProgram } from "../../agent/processes/processes.js";
import type { GenerationSettings } from "../../shared/benchmark/plan.js";
import { systemClock } from "../../shared/runtime/clock.js";
import { nodeDisk } from "../../shared/runtime/disk.js";
import { silentLogger } from "../../shared/runtime/logger.js";
import { eventsOf, modelSpec, never, requestOf } from "../support/inference.js";

export interface RealEngine {
  engine: Engine;
  /** Its hub cache, as HF_HOME. */
  cacheDir: string;
  /** All that was started, the last one last. */
  started: RunningProgram[];
  /** `options` are the suite's; one thread each unless they say another number. */
  load(
    model: string,
    options?: { [key: string]: string | number | boolean },
    revision?: string,
  ): Promise<PreparedModel>;
  close(): Promise<void>;
}

/** With `mostVirtualBytes` its workers' address space ends there. */
export async function realEngine(
  more: { mostVirtualBytes?: number; env?: NodeJS.ProcessEnv; config?: Partial<HuggingfaceConfig> } = {},
): Promise<RealEngine> {
  const env = { ...process.env, ...more.env };
  const dir = mkdtempSync(join(tmpdir(), "sai-hf-"));
  const log = silentLogger();
  const parts = { disk: nodeDisk, dir: join(dir, "programs"), env, clock: systemClock, log };
  const processes = await Processes.open(parts);
  const started: RunningProgram[] = [];
  const start: Processes["start"] = async (program) => {
    const running = await processes.start(program);
    started.push(running);
    return running;
  };
  let python = inject("python");
  if (more.mostVirtualBytes !== undefined) {
    const limited = join(dir, "python");
    const kib = Math.floor(more.mostVirtualBytes / 1024);
    writeFileSync(limited, `#!/bin/sh\nulimit -v ${kib}\nexec ${python} "$@"\n`, { mode: 0o755 });
    python = limited;
  }
  const engine = createHuggingfaceEngine(
    {
      ...{ python, device: "auto", torchDtype: "auto", cacheDir: join(dir, "cache"), maxMemoryPerGpu: 0.9 },
      ...{ token: undefined, allowDownload: false, allowRemoteCode: false, allowPickle: false },
      ...{ loadTimeoutMs: 240_000, env, ...more.config },
    },
    { clock: systemClock, processes: { start } },
  );
  return {
    ...{ engine, started },
    cacheDir: join(dir, "cache"),
    load: (model, options = {}, revision = undefined) =>
      engine.prepare(
        { ...modelSpec("huggingface", model), ...(revision !== undefined && { revision }) },
        { num_thread: 1, ...options },
        never(),
        NO_GPU,
      ),
    async close() {
      await engine.close();
      await processes.close(0);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

export const generation = (more: Partial<GenerationSettings>): GenerationSettings => ({
  ...{ timeoutS: 200, maxRetries: 0, retryDelayS: 0, max_tokens: 16 },
  ...more,
});

export interface Answer {
  text: string;
  events: EngineEvent[];
  done: Extract<EngineEvent, { kind: "done" }>;
}

export async function answerOf(
  prepared: PreparedModel,
  user: string,
  more: Partial<GenerationSettings> = {},
  images: InferenceRequest["images"] = [],
): Promise<Answer> {
  const events = await eventsOf(prepared, requestOf({ user, images, generation: generation(more) }));
  const done = events.at(-1);
  if (done?.kind !== "done") throw new Error("no answer");
  return { text: done.text, events, done };
}
