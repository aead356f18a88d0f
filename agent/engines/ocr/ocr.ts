/**
 * The OCR baseline: Tesseract with its npm-shipped English data, offline. A real, small recogniser that needs nothing
 * but this package; it gives text-recognition campaigns an honest floor. It reads pictures and ignores prompts, and
 * every record says so (`prompt_ignored`). It reports no tokens and does not stream.
 *
 * Models: `4.0.0_best_int` (LSTM network, integer weights) and `4.0.0` (the legacy recogniser).
 * A text depends on its picture and the settings alone: nothing is learnt from the pictures before it.
 * Options of a model: `psm` 0–13 (7: one line), `dpi` 70–2400 (150), `upscale` 1–4 (1).
 */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { OCR_OPTIONS, optionProblems } from "../../../shared/benchmark/engine-options.js";
import type { ModelSpec } from "../../../shared/benchmark/plan.js";
import type { Clock } from "../../../shared/runtime/clock.js";
import { errorText } from "../../../shared/runtime/errors.js";
import { sha256 } from "../../../shared/runtime/hash.js";
import {
  type Engine,
  EngineError,
  type EngineEvent,
  type EngineOptions,
  type EngineProbe,
  type InferenceRequest,
  type PreparedModel,
} from "../engine.js";
import { notApplied } from "../not-applied.js";
import type { RecognizerSettings } from "./messages.js";
import { RecognizerPool } from "./pool.js";

export interface OcrConfig {
  /** Recognitions at once for one model, each in its own process. Default 2. */
  processes?: number;
}

const MODELS: { [name: string]: { oem: 0 | 1; quant?: string } } = {
  "4.0.0": { oem: 0 },
  "4.0.0_best_int": { oem: 1, quant: "int8" },
};
const OPTIONS = Object.keys(OCR_OPTIONS);
const FLAGS = ["prompt_ignored"];

interface Loaded {
  pool: RecognizerPool;
  users: number;
  /** Resolves when the first process is ready. */
  ready: Promise<number>;
}

export interface OcrEngine extends Engine {
  /** Process ids of the living recognisers. */
  pids(): number[];
}

export function createOcrEngine(config: OcrConfig, parts: { clock: Clock }): OcrEngine {
  const { clock } = parts;
  const loaded = new Map<string, Loaded>();

  async function probe(): Promise<EngineProbe> {
    try {
      return { version: await packageVersion("tesseract.js"), models: Object.keys(MODELS).sort() };
    } catch (error) {
      return { version: "", models: [], unavailable: `tesseract.js cannot be found: ${errorText(error)}` };
    }
  }

  async function prepare(
    model: ModelSpec,
    options: EngineOptions,
    signal: AbortSignal,
  ): Promise<PreparedModel> {
    signal.throwIfAborted();
    const known = MODELS[model.model];
    if (known === undefined) {
      const names = Object.keys(MODELS).sort().join(" and ");
      throw new EngineError("engine", "model_missing", `ocr has no model "${model.model}"; it has ${names}`);
    }
    const settings = settingsOf(model, known.oem, { ...options, ...model.options });
    const where = `ocr model ${model.model}`;
    const key = JSON.stringify(settings);
    let entry = loaded.get(key);
    const first = entry === undefined;
    if (entry === undefined) {
      const pool = new RecognizerPool(settings, where, config.processes ?? 2, clock);
      entry = { pool, users: 0, ready: warmed(pool, clock, signal) };
      loaded.set(key, entry);
    }
    const { pool } = entry;
    entry.users++;
    const leave = leaver(key, entry);
    try {
      const tookNs = await entry.ready;
      const digest = sha256(await readFile(path.join(settings.dataDir, "eng.traineddata.gz")));
      const version = await packageVersion("tesseract.js");
      return {
        identity: {
          ...{ version, digest, args: argsOf(settings) },
          ...(known.quant === undefined ? {} : { quant: known.quant }),
        },
        loadNs: first ? tookNs : 0,
        flags: FLAGS,
        drawsNothing: true,
        notApplied: (generation, given) => notApplied(generation, { ...given, ...model.options }, OPTIONS),
        run: (request, requestSignal) => recognize(pool, clock, where, request, requestSignal),
        unload: leave,
      };
    } catch (error) {
      await leave();
      throw error;
    }
  }

  /** Gives up one use of a loaded model, once; the last one ends its processes. */
  function leaver(key: string, entry: Loaded): () => Promise<void> {
    let left = false;
    return async () => {
      if (left) return;
      left = true;
      entry.users--;
      if (entry.users > 0) return;
      if (loaded.get(key) === entry) loaded.delete(key);
      await entry.pool.close();
    };
  }

  return {
    kind: "ocr",
    probe,
    prepare,
    pids: () => [...loaded.values()].flatMap((entry) => entry.pool.pids()),
    async close() {
      const pools = [...loaded.values()].map((entry) => entry.pool);
      loaded.clear();
      await Promise.all(pools.map((pool) => pool.close()));
    },
  };
}

/** Starts the pool's first process; ns it took. */
async function warmed(pool: RecognizerPool, clock: Clock, signal: AbortSignal): Promise<number> {
  const startNs = clock.nowNs();
  await pool.with(signal, async () => {});
  return clock.nowNs() - startNs;
}

async function* recognize(
  pool: RecognizerPool,
  clock: Clock,
  where: string,
  request: InferenceRequest,
  signal: AbortSignal,
): AsyncGenerator<EngineEvent> {
  if (request.images.length === 0) {
    throw new EngineError("media", "no_image", `${where}: the sample has no picture to read`);
  }
  const images = request.images.map(({ name, bytes }) => ({ name, bytes }));
  const { sentNs, text } = await pool.with(signal, async (recognizer) => {
    // Counted from here: starting a process is load, and waiting for a turn is the queue's time.
    const sentNs = clock.nowNs();
    return { sentNs, text: await recognizer.recognize(images, signal) };
  });
  yield { kind: "sent", tNs: sentNs };
  yield {
    ...{ kind: "done", tNs: clock.nowNs(), finish: "stop", text, refused: false },
    ...{ tokens: { source: "none" }, server: {}, flags: [] },
  };
}

function settingsOf(model: ModelSpec, oem: 0 | 1, options: EngineOptions): RecognizerSettings {
  const dataRoot = path.dirname(require.resolve("@tesseract.js-data/eng/package.json"));
  return {
    dataDir: path.join(dataRoot, model.model),
    oem,
    psm: numberOption("psm", options, 7),
    dpi: numberOption("dpi", options, 150),
    upscale: numberOption("upscale", options, 1),
  };
}

function numberOption(name: keyof typeof OCR_OPTIONS, options: EngineOptions, standard: number): number {
  const given = options[name];
  const [problem] = given === undefined ? [] : optionProblems(OCR_OPTIONS, { [name]: given });
  if (problem) throw new EngineError("engine", "bad_option", `ocr option ${name} ${problem.message}`);
  return typeof given === "number" ? given : standard;
}

const argsOf = (s: RecognizerSettings): string[] =>
  [`oem=${s.oem}`, `psm=${s.psm}`, `dpi=${s.dpi}`, "classify_enable_learning=0"].concat(
    s.upscale === 1 ? [] : [`upscale=${s.upscale}`],
  );

const require = createRequire(import.meta.url);

async function packageVersion(name: string): Promise<string> {
  const text = await readFile(require.resolve(`${name}/package.json`), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
