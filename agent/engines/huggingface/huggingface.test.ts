/** The agent's side of the worker, against a stand-in process that speaks its protocol (test/support/stand-in-python.mjs). */
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../shared/runtime/clock.js";
import { nodeDisk } from "../../../shared/runtime/disk.js";
import { silentLogger } from "../../../shared/runtime/logger.js";
import { seeProcess } from "../../../shared/runtime/proc.js";
import { engineErrorOf, eventsOf, modelSpec, never, requestOf } from "../../../test/support/inference.js";
import { Processes, type RunningProgram } from "../../processes/processes.js";
import { type Engine, type EngineEvent, NO_GPU, type PreparedModel } from "../engine.js";
import { createHuggingfaceEngine, type HuggingfaceConfig } from "./huggingface.js";

const STAND_IN = fileURLToPath(new URL("../../../test/support/stand-in-python.mjs", import.meta.url));

let dir: string;
let processes: Processes;
let started: RunningProgram[];
const engines: Engine[] = [];

beforeEach(async () => {
  dir = await realpath(await mkdtemp(join(tmpdir(), "sai-hf-")));
  const env = { PATH: process.env["PATH"], HF_TOKEN: "hf_secret" };
  processes = await Processes.open({ disk: nodeDisk, dir, env, clock: systemClock, log: silentLogger() });
  started = [];
});
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.close();
  await processes.close(0);
  expect(
    started.filter(({ pid }) => /[^ZX]/.test(seeProcess(pid)?.state ?? "X")).map(({ pid }) => pid),
  ).toEqual([]);
  await rm(dir, { recursive: true });
});

function engineOf(more: Partial<HuggingfaceConfig> = {}): Engine {
  const config: HuggingfaceConfig = {
    ...{ python: STAND_IN, device: "auto", torchDtype: "auto", cacheDir: undefined, maxMemoryPerGpu: 0.9 },
    ...{ token: "hf_secret", allowDownload: false, allowRemoteCode: false, allowPickle: false },
    loadTimeoutMs: 20_000,
    ...{ env: process.env, ...more },
  };
  const start: Processes["start"] = async (program) => {
    const running = await processes.start(program);
    started.push(running);
    return running;
  };
  const engine = createHuggingfaceEngine(config, { clock: systemClock, processes: { start } });
  engines.push(engine);
  return engine;
}

const model = (name: string, options = {}, revision?: string) => ({
  ...modelSpec("huggingface", name, options),
  ...(revision !== undefined && { revision }),
});
const load = (engine: Engine, name: string, options = {}, place = NO_GPU): Promise<PreparedModel> =>
  engine.prepare(model(name), options, never(), place);
const answerTo = async (prepared: PreparedModel, user: string): Promise<string> => {
  const last = (await eventsOf(prepared, requestOf({ user }))).at(-1);
  return last?.kind === "done" ? last.text : "";
};

describe("looking at the environment", () => {
  test("tells the versions", async () => {
    expect(await engineOf().probe(never())).toEqual({
      version: "5.0.0, torch 2.0.0, Python 3.11.0",
      models: [],
    });
  });

  test.each([
    [
      "is not there",
      { python: "/nowhere/python" },
      "/nowhere/python is not there; `sai engine install huggingface`",
    ],
    [
      "lacks a package",
      { env: { ...process.env, STAND_IN_LACKS: "torch" } },
      "lacks torch; `sai engine install",
    ],
    [
      "is too old",
      { env: { ...process.env, STAND_IN_PYTHON: "3.9.1" } },
      "is Python 3.9.1, and 3.11 or newer",
    ],
    ["is none", { python: "/bin/cat" }, "/bin/cat ended with exit code 1"],
  ])("an interpreter that %s", async (_, config, why) => {
    const { unavailable } = await engineOf(config).probe(never());
    expect(unavailable).toContain(why);
  });
});

describe("a worker", () => {
  test("loads a model, answers in pieces and tells what was used", async () => {
    const prepared = await load(engineOf(), "m", { torch_dtype: "float32" });
    expect(prepared.identity).toEqual({
      ...{ version: "5.0.0 torch 2.0.0", digest: "fresh" },
      args: ["dtype=float32", "devices=-1", "architecture=StandIn", "threads=1"],
    });
    expect(prepared.loadNs).toBeGreaterThan(0);
    const generation = {
      timeoutS: 20,
      maxRetries: 0,
      retryDelayS: 0,
      temperature: 0.5,
      max_tokens: 9,
      seed: 7,
    };
    const images = [{ name: "a.png", mime: "image/png", bytes: new Uint8Array([1, 2, 3]) }];
    const events = await eventsOf(prepared, requestOf({ system: "S", images, generation }));
    const done = events.at(-1);
    expect(done).toMatchObject({
      text: 'S a.png=AQID {"temperature":0.5,"max_tokens":9,"seed":7}',
      ...{ finish: "stop", tokens: { in: 3, out: 3, source: "server" }, server: { prompt_ns: 1, seed: 7 } },
    });
    expect(events.map(({ kind }) => kind)).toEqual(["sent", "first_byte", "delta", "delta", "delta", "done"]);
    const times = events.map(({ tNs }) => tNs);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  test("is shared by jobs that load it alike, and ends with the last of them", async () => {
    const engine = engineOf();
    const a = await load(engine, "m", { num_ctx: 5 });
    const b = await load(engine, "m");
    const other = await load(engine, "m", { torch_dtype: "bfloat16" });
    expect(started).toHaveLength(2);
    expect(b.loadNs).toBe(0);
    await a.unload();
    await a.unload();
    expect(await answerTo(b, "hello")).not.toBe("");
    await Promise.all([b.unload(), other.unload()]);
    expect(started.map(({ end }) => end?.how)).toEqual(["signal SIGTERM", "signal SIGTERM"]);
  });

  test("names a commit of the hub, and says when the suite did not pin it", async () => {
    const engine = engineOf();
    const loose = await engine.prepare(model("o/m", {}, "main"), {}, never(), NO_GPU);
    expect([loose.identity.digest, loose.flags]).toEqual(["c".repeat(40), ["revision_not_pinned"]]);
    const pinned = await engine.prepare(model("o/m", {}, "c".repeat(40)), {}, never(), NO_GPU);
    expect(pinned.flags).toEqual([]);
  });

  test("does not hash the same files twice", async () => {
    const engine = engineOf();
    await (await load(engine, "m")).unload();
    expect((await load(engine, "m")).identity.digest).toBe("fresh again");
    expect(started).toHaveLength(2);
  });

  test("sees the GPUs that were leased, by their whole names, and no others", async () => {
    const place = { gpus: ["GPU-a", "GPU-b"] };
    const prepared = await load(engineOf(), "m", {}, place);
    expect(prepared.identity.args).toContain("devices=GPU-a+GPU-b");
    expect(await answerTo(prepared, "secrets")).toContain("GPU-a,GPU-b");
  });

  test("is offline and knows no token, unless downloads are allowed", async () => {
    expect(await answerTo(await load(engineOf({ cacheDir: "/c" }), "m"), "secrets")).toBe(
      "undefined 1 /c -1",
    );
    const online = await load(engineOf({ allowDownload: true }), "m");
    expect(await answerTo(online, "secrets")).toBe("hf_secret undefined undefined -1");
  });

  test.each([
    [
      "code of the model's own",
      { trust_remote_code: true },
      NO_GPU,
      "this node allows none; set engines.huggingface",
    ],
    [
      "a GPU where there is none",
      { device: "cuda" },
      NO_GPU,
      "asks for the device cuda, and this attempt was given the CPU",
    ],
    ["the CPU where GPUs were leased", { device: "cpu" }, { gpus: ["GPU-a"] }, "was given GPUs"],
    ["a wrong type", { torch_dtype: 16 }, NO_GPU, "option torch_dtype is 16; it must be a text"],
  ])("refuses %s", async (_, options, place, why) => {
    const error = await engineErrorOf(load(engineOf(), "m", options, place));
    expect([error.kind, error.class]).toEqual(["engine", "bad_option"]);
    expect(error.message).toContain(why);
    expect(started).toEqual([]);
  });

  test("says which settings it does not apply", async () => {
    const prepared = await load(engineOf(), "m", { load_in_4bit: true });
    const generation = { timeoutS: 1, maxRetries: 0, retryDelayS: 0, top_k: 5, num_ctx: 9 };
    const given = { load_in_4bit: true, cache_dir: "/x", torch_dtype: "auto", device: "cpu" };
    expect(prepared.notApplied(generation, given)).toEqual(["cache_dir", "load_in_4bit", "top_k"]);
    expect(prepared.notApplied({ ...generation, temperature: 1 }, {})).toEqual([]);
  });

  test("a map over devices is applied only where there are several", async () => {
    const options = { device_map: "sequential" };
    const [one, two] = [{ gpus: ["GPU-a"] }, { gpus: ["GPU-a", "GPU-b"] }];
    const generation = { timeoutS: 1, maxRetries: 0, retryDelayS: 0 };
    const ignored = async (place: typeof one) =>
      (await load(engineOf(), "m", options, place)).notApplied(generation, options);
    expect([await ignored(one), await ignored(two)]).toEqual([["device_map"], []]);
  });

  test("that runs code of the model's own says so in every record", async () => {
    const prepared = await load(engineOf({ allowRemoteCode: true }), "m", { trust_remote_code: true });
    expect(prepared.identity.args).toContain("trust_remote_code");
  });
});

describe("what goes wrong", () => {
  test.each([
    ["dies-loading", "engine", "server_ended", "no module named torch"],
    ["too-large", "oom", "out_of_memory", "out of memory while loading"],
    ["says-nonsense", "engine", "child_killed", '"this is no event" is no event'],
  ])("a load that fails: %s", async (name, kind, className, words) => {
    const error = await engineErrorOf(load(engineOf(), name));
    expect([error.kind, error.class]).toEqual([kind, className]);
    expect(error.message).toContain(words);
  });

  test("a load that takes too long", async () => {
    const error = await engineErrorOf(load(engineOf(), "never-loads", { load_timeout: 1 }));
    expect(error.class).toBe("load_timeout");
    expect(error.message).toContain("a library says hello");
  });

  test("a load that nobody waits for any more is ended", async () => {
    const engine = engineOf();
    const stop = new AbortController();
    const first = engine.prepare(model("never-loads"), {}, stop.signal, NO_GPU);
    const second = engine.prepare(model("never-loads"), {}, stop.signal, NO_GPU);
    stop.abort(new Error("enough"));
    await expect(first).rejects.toThrow("enough");
    await expect(second).rejects.toThrow("enough");
    expect(started).toHaveLength(1);
    await started[0]?.ended;
  });

  test("a sample that runs out of memory or has a broken picture leaves the worker, and no secret is told", async () => {
    const prepared = await load(engineOf(), "m");
    for (const kind of ["oom", "media"] as const) {
      const error = await engineErrorOf(eventsOf(prepared, requestOf({ user: kind })));
      expect([error.kind, error.message.includes("token (hidden)")]).toEqual([kind, true]);
    }
    expect(await answerTo(prepared, "hello")).not.toBe("");
  });

  test.each([
    ["die", "death", "server_died"],
    ["die for want of memory", "oom", "out_of_memory"],
  ])("a worker that ends in mid-answer: %s", async (user, kind, className) => {
    const engine = engineOf();
    const prepared = await load(engine, "m");
    const running = engineErrorOf(eventsOf(prepared, requestOf({ user })));
    const waiting = engineErrorOf(eventsOf(prepared, requestOf({ user: "hello" })));
    const error = await running;
    expect([error.kind, error.class]).toEqual([kind, className]);
    expect(error.message).toMatch(/Segmentation fault|std::bad_alloc/);
    expect((await waiting).kind).toBe("death");
    expect(prepared.isGone?.()).toBe(true);
    const again = await load(engine, "m");
    expect(again.loadNs).toBeGreaterThan(0);
    expect(await answerTo(again, "hello")).not.toBe("");
  });

  test("an abort ends one answer and leaves the worker", async () => {
    const prepared = await load(engineOf(), "m");
    const stop = new AbortController();
    const seen: EngineEvent[] = [];
    const slow = async () => {
      for await (const event of prepared.run(requestOf({ user: "slow" }), stop.signal)) {
        seen.push(event);
        if (seen.length === 5) stop.abort(new Error("enough"));
      }
    };
    const next = answerTo(prepared, "hello");
    await expect(slow()).rejects.toThrow("enough");
    expect(await next).toBe("-  {}");
    expect(await answerTo(prepared, "hello")).toBe("-  {}");
    expect(started).toHaveLength(1);
  });

  test("who is admitted has it alone, also while an aborted answer is still let go of", async () => {
    const prepared = await load(engineOf(), "m");
    const stop = new AbortController();
    const order: string[] = [];
    const sample = async (name: string, user: string, signal: AbortSignal) => {
      const turn = await prepared.admit?.(requestOf(), never());
      order.push(`${name} begins`);
      await eventsOf(prepared, requestOf({ user }), signal).catch(() => order.push(`${name} aborted`));
      turn?.end({ sent: true });
    };
    const all = [
      sample("a", "slow", stop.signal),
      sample("b", "hello", never()),
      sample("c", "hello", never()),
    ];
    await systemClock.sleep(50);
    expect(order).toEqual(["a begins"]);
    stop.abort(new Error("enough"));
    await Promise.all(all);
    expect(order).toEqual(["a begins", "a aborted", "b begins", "c begins"]);
  });

  test("nobody is admitted to a worker that does not let go of an aborted answer", async () => {
    const engine = engineOf();
    const prepared = await load(engine, "m");
    const stop = new AbortController();
    const turn = await prepared.admit?.(requestOf(), never());
    const hanging = eventsOf(prepared, requestOf({ user: "hang" }), stop.signal);
    stop.abort(new Error("enough"));
    await expect(hanging).rejects.toThrow("enough");
    turn?.end({ sent: true });
    let admitted = false;
    const next = prepared.admit?.(requestOf(), never()).then(() => {
      admitted = true;
    });
    await systemClock.sleep(50);
    expect(admitted).toBe(false);
    await engine.close();
    await next;
    expect((await engineErrorOf(eventsOf(prepared))).kind).toBe("death");
  });

  test("one that is aborted while it waits for its turn is never asked", async () => {
    const prepared = await load(engineOf(), "m");
    const stops = [new AbortController(), new AbortController()];
    const slow = eventsOf(prepared, requestOf({ user: "slow" }), stops[0]?.signal);
    const die = eventsOf(prepared, requestOf({ user: "die" }), stops[1]?.signal);
    stops[1]?.abort(new Error("not this one"));
    await expect(die).rejects.toThrow("not this one");
    stops[0]?.abort(new Error("nor this"));
    await expect(slow).rejects.toThrow("nor this");
    expect(await answerTo(prepared, "hello")).toBe("-  {}");
  });
});
