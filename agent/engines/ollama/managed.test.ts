/** Managed servers with a stand-in for the program (test/support/stand-in-ollama); the real one: test/model. */
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../shared/runtime/clock.js";
import { nodeDisk } from "../../../shared/runtime/disk.js";
import { sha256 } from "../../../shared/runtime/hash.js";
import { lineLogger } from "../../../shared/runtime/logger.js";
import { readProc, seeProcesses } from "../../../shared/runtime/proc.js";
import { ggufOf } from "../../../test/support/gguf.js";
import { engineErrorOf, eventsOf, modelSpec, never, requestOf } from "../../../test/support/inference.js";
import { refusedUrl } from "../../../test/support/scripted-server.js";
import { Processes } from "../../processes/processes.js";
import { type Engine, type EngineOptions, type EnginePlace, NO_GPU } from "../engine.js";
import { Peaks } from "../memory/peaks.js";
import { createOllamaEngine, type OllamaConfig } from "./ollama.js";

const PROGRAM = fileURLToPath(new URL("../../../test/support/stand-in-ollama/ollama.cjs", import.meta.url));
const GPU: EnginePlace = { gpus: ["GPU-11111111-2222-3333-4444-555555555555"] };

/** Pauses are a tenth of what they are. */
const clock = { ...systemClock, sleep: (ms: number, its?: AbortSignal) => systemClock.sleep(ms / 10, its) };

const MODELS = ["tiny", "split", "cpuonly", "unseen", "full", "vague", "slow", "silent", "error", "endless"];

let dir: string;
let models: string;
let processes: Processes;
let engine: Engine;
let logs: string[];
let peaks: Peaks;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "sai-ollama-"));
  models = join(dir, "models");
  for (const name of MODELS) await install(`${name}/1b`);
  logs = [];
  const log = lineLogger((line) => logs.push(line), "debug");
  processes = await Processes.open({
    ...{ disk: nodeDisk, dir: join(dir, "programs"), env: process.env, clock: systemClock, log },
  });
  engine = engineWith({});
});
afterEach(async () => {
  await engine.close();
  // A note of a program is there as long as anything of it is.
  expect(await readdir(join(dir, "programs"))).toEqual([]);
  await processes.close(0);
  await rm(dir, { recursive: true });
});

async function install(name: string): Promise<void> {
  const file = join(models, "manifests/registry.ollama.ai/library", name);
  await mkdir(join(file, ".."), { recursive: true });
  await writeFile(file, `{"model": "${name}"}`);
}

function engineWith(config: Partial<OllamaConfig>, gpus: { [uuid: string]: number } = {}): Engine {
  const log = lineLogger((line) => logs.push(line), "debug");
  peaks = new Peaks(nodeDisk, join(dir, "peaks.json"), log);
  return createOllamaEngine(
    { baseUrl: "http://127.0.0.1:9", path: PROGRAM, modelsDir: models, ...config },
    { clock, stallMs: 5_000, processes, log, gpus: { memoryBytes: (uuid) => gpus[uuid], peaks } },
  );
}

const prepare = (model: string, options: EngineOptions = {}, place = NO_GPU, signal = never()) =>
  engine.prepare(modelSpec("ollama", model), { device: "cpu", ...options }, signal, place);
/** What the programs noted. */
const seenNow = (): { [key: string]: unknown }[] =>
  readFileSync(join(models, "seen"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
const runnerPids = () =>
  seeProcesses().flatMap(({ pid }) => {
    const args = readProc(`/proc/${pid}/cmdline`).split("\0");
    return args.includes(PROGRAM) && args.includes("--model") ? [pid] : [];
  });
const until = async (is: () => boolean) => {
  for (let i = 0; !is(); i += 1) {
    if (i > 1000) throw new Error("it never was");
    await systemClock.sleep(10);
  }
};

describe("a managed server", () => {
  test("answers, and says what was measured on what", async () => {
    const prepared = await prepare("tiny:1b", { num_parallel: 3, num_ctx: 256, flash_attention: true });
    expect(prepared.identity).toEqual({
      version: "0.99.0",
      digest: sha256(`{"model": "tiny/1b"}`),
      quant: "Q4_0",
      args: ["device=cpu", "num_ctx=512", "num_parallel=3", "flash_attention=true"],
    });
    expect((await eventsOf(prepared)).at(-1)).toMatchObject({ text: "one two three", tokens: { out: 3 } });
    const [{ env }, ...requests] = seenNow() as [{ env: object }, ...{ [key: string]: unknown }[]];
    expect(env).toMatchObject({
      OLLAMA_MODELS: models,
      OLLAMA_NUM_PARALLEL: "3",
      OLLAMA_MAX_LOADED_MODELS: "1",
      OLLAMA_KEEP_ALIVE: "-1",
      OLLAMA_CONTEXT_LENGTH: "256",
      OLLAMA_NOPRUNE: "1",
      OLLAMA_VULKAN: "0",
      OLLAMA_FLASH_ATTENTION: "1",
      CUDA_VISIBLE_DEVICES: "-1",
    });
    expect(env).toMatchObject({ OLLAMA_HOST: expect.stringMatching(/^127\.0\.0\.1:\d+$/) });
    // One load, one token, the answer: always loaded with the same context, for good.
    expect(requests.map(({ path }) => path)).toEqual(["/api/generate", "/api/generate", "/api/chat"]);
    expect(requests.slice(0, 2).map(({ options }) => options)).toMatchObject([
      { num_ctx: 256 },
      { num_ctx: 256 },
    ]);
    expect(requests.every(({ keep_alive }) => keep_alive === -1)).toBe(true);
    expect(runnerPids()).toHaveLength(1);
    await prepared.unload();
    expect(runnerPids()).toEqual([]);
  });

  test("on leased GPUs sees these; several are all used", async () => {
    const two = { gpus: ["GPU-a", "GPU-b"] };
    const prepared = await prepare("tiny:1b", { device: "gpu" }, two);
    expect(seenNow()[0]).toMatchObject({
      env: { CUDA_VISIBLE_DEVICES: "GPU-a,GPU-b", CUDA_DEVICE_ORDER: "PCI_BUS_ID", OLLAMA_SCHED_SPREAD: "1" },
    });
    expect(prepared.identity.args[0]).toBe("device=gpu");
  });

  test("gets no more at once than it was started for; the others wait before they are sent", async () => {
    const prepared = await prepare("endless:1b");
    const stop = new AbortController();
    const first = eventsOf(prepared, requestOf(), stop.signal);
    await until(() => seenNow().at(-1)?.["path"] === "/api/chat");
    const sent: string[] = [];
    const second = (async () => {
      for await (const { kind } of prepared.run(requestOf(), stop.signal)) sent.push(kind);
    })();
    await systemClock.sleep(100);
    expect(sent).toEqual([]);
    expect(seenNow().filter(({ path }) => path === "/api/chat")).toHaveLength(1);
    stop.abort(new Error("enough"));
    await expect(first).rejects.toThrow("enough");
    await expect(second).rejects.toThrow("enough");
  });

  test("two models have two servers", async () => {
    const [tiny, slow] = await Promise.all([prepare("tiny:1b"), prepare("slow:1b")]);
    expect(slow.loadNs).toBeGreaterThan(600e6);
    expect(tiny.loadNs).toBeLessThan(slow.loadNs);
    expect(seenNow().filter(({ env }) => env)).toHaveLength(2);
    await slow.unload();
    expect((await eventsOf(tiny)).at(-1)).toMatchObject({ text: "one two three" });
  });
});

describe("a load that fails", () => {
  test.each<[string, string, EngineOptions, EnginePlace, string, string, string]>([
    [
      "no such model",
      "absent:1b",
      {},
      NO_GPU,
      "engine",
      "model_missing",
      "ollama pull absent:1b` on this node",
    ],
    ["no memory, as it says", "full:1b", {}, NO_GPU, "oom", "out_of_memory", "9 GiB"],
    ["no memory, as its log says", "vague:1b", {}, NO_GPU, "oom", "out_of_memory", "cudaMalloc failed"],
    [
      "a part in main memory",
      "split:1b",
      { device: "gpu" },
      GPU,
      "oom",
      "partial_offload",
      "40 of 100 bytes",
    ],
    ["all in main memory", "cpuonly:1b", { device: "gpu" }, GPU, "engine", "gpu_not_used", "without CUDA"],
    ["nobody knows where", "unseen:1b", { device: "gpu" }, GPU, "engine", "not_loaded", "ollama ps"],
    ["no GPU leased", "tiny:1b", { device: "gpu" }, NO_GPU, "engine", "no_gpu", "no GPU was leased"],
    [
      "a wrong option",
      "tiny:1b",
      { num_parallel: 0 },
      NO_GPU,
      "engine",
      "bad_option",
      "num_parallel is 0; it must be",
    ],
    [
      "another wrong one",
      "tiny:1b",
      { kv_cache_type: "f8" },
      NO_GPU,
      "engine",
      "bad_option",
      "one of f16, q8_0",
    ],
  ])("%s", async (_name, model, options, place, kind, className, words) => {
    const error = await engineErrorOf(prepare(model, options, place));
    expect([error.kind, error.class]).toEqual([kind, className]);
    expect(error.message).toContain(words);
    expect(runnerPids()).toEqual([]);
  });

  test("a program that is not there, or is another", async () => {
    engine = engineWith({ path: "/nowhere/ollama" });
    const absent = await engineErrorOf(prepare("tiny:1b"));
    expect(absent.class).toBe("cannot_start");
    expect(absent.message).toContain("there is no program /nowhere/ollama");
    engine = engineWith({ path: "/bin/false" });
    const other = await engineErrorOf(prepare("tiny:1b"));
    expect(other.class).toBe("server_ended");
    expect(other.message).toContain("ollama serve for tiny:1b: ended before it was ready (exit code 1)");
  });

  test("close ends what is still loading", async () => {
    const loading = engineErrorOf(prepare("slow:1b"));
    await systemClock.sleep(300);
    await engine.close();
    expect(await readdir(join(dir, "programs"))).toEqual([]);
    expect((await loading).class).toBe("server_stopped");
    expect((await engineErrorOf(prepare("tiny:1b"))).class).toBe("server_stopped");
  });

  test("a load that nobody waits for any more", async () => {
    const stop = new AbortController();
    const loading = prepare("slow:1b", {}, NO_GPU, stop.signal);
    await systemClock.sleep(300);
    stop.abort(new Error("enough"));
    await expect(loading).rejects.toThrow("enough");
    expect(await readdir(join(dir, "programs"))).toEqual([]);
  });
});

describe("a runner or a server that ends", () => {
  test("a runner in mid-answer is a death; the next answer comes from a new server, tried out before", async () => {
    const prepared = await prepare("endless:1b");
    const answering = engineErrorOf(eventsOf(prepared));
    await systemClock.sleep(100);
    const [runner = 0] = runnerPids();
    process.kill(runner, "SIGKILL");
    const error = await answering;
    expect([error.kind, error.class]).toEqual(["death", "server_died"]);
    expect(error.message).toContain("the runner of ollama serve for endless:1b");
    for await (const { kind } of prepared.run(requestOf(), never())) {
      if (kind === "delta") break;
    }
    const requests = seenNow().map(({ path }) => path ?? "start");
    expect(requests.slice(requests.lastIndexOf("start"))).toEqual([
      ...["start", "/api/generate", "/api/generate", "/api/chat"],
    ]);
    expect(prepared.isGone?.()).toBe(false);
  });

  test("a runner between two answers: no answer pays for its load", async () => {
    const prepared = await prepare("tiny:1b");
    const [runner = 0] = runnerPids();
    process.kill(runner, "SIGKILL");
    await until(() => !runnerPids().includes(runner));
    expect((await eventsOf(prepared)).at(-1)).toMatchObject({ text: "one two three" });
    expect(seenNow().filter(({ env }) => env)).toHaveLength(2);
  });

  test.each([
    ["silent:1b", "transient", "silent_end", "ended without its last message"],
    ["error:1b", "engine", "server_error", "unexpected EOF"],
  ])("%s, with a runner that goes on, is what it is", async (model, kind, className, words) => {
    const prepared = await prepare(model);
    const error = await engineErrorOf(eventsOf(prepared));
    expect([error.kind, error.class]).toEqual([kind, className]);
    expect(error.message).toContain(words);
  });

  test("close ends all servers and runners, also in mid-answer", async () => {
    const prepared = await prepare("endless:1b");
    const answering = engineErrorOf(eventsOf(prepared));
    await systemClock.sleep(50);
    await engine.close();
    expect((await answering).class).toBe("server_stopped");
    expect(runnerPids()).toEqual([]);
  });

  test("a model that was pulled anew meanwhile is not answered with", async () => {
    const prepared = await prepare("tiny:1b");
    await writeFile(join(models, "manifests/registry.ollama.ai/library/tiny/1b"), "another");
    process.kill(runnerPids()[0] ?? 0, "SIGKILL");
    await until(() => runnerPids().length === 0);
    const error = await engineErrorOf(eventsOf(prepared));
    expect(error.message).toContain("and is now");
    // Once more would find the same.
    expect(seenNow().filter(({ env }) => env)).toHaveLength(2);
  });
});

describe("what cannot fit", () => {
  const GiB = 1024 ** 3;
  /** 32 layers × 8 heads × 256 × 2 bytes: 128 KiB a token. */
  const head = {
    layers: 32,
    embedding: 4096,
    heads: 32,
    kvHeads: 8,
    contextLength: 131_072,
    vocabulary: 1000,
  };

  beforeEach(async () => {
    const blobs = join(models, "blobs");
    await mkdir(blobs);
    await writeFile(join(blobs, "sha256-a"), ggufOf(head));
    await writeFile(join(blobs, "sha256-b"), '{"num_ctx": 65536}');
    const model = { mediaType: "application/vnd.ollama.image.model", digest: "sha256:a", size: 4 * GiB };
    const params = { mediaType: "application/vnd.ollama.image.params", digest: "sha256:b", size: 1 };
    const file = join(models, "manifests/registry.ollama.ai/library/tiny/1b");
    await writeFile(file, JSON.stringify({ layers: [model, params] }));
  });

  const gpu = (options: EngineOptions, place: EnginePlace = GPU) =>
    prepare("tiny:1b", { device: "gpu", ...options }, place);

  test("is refused before anything is started, with what it needs and what there is", async () => {
    engine = engineWith({}, { "GPU-11111111-2222-3333-4444-555555555555": 8 * GiB });
    const error = await engineErrorOf(gpu({ num_ctx: 32_768 }));
    expect([error.kind, error.class]).toEqual(["oom", "too_large"]);
    expect(error.message).toMatch(
      /needs about 8\.8 GiB \(4\.0 GiB of weights, 4\.0 GiB of context\), and the GPU has 8\.0 GiB; use a smaller/,
    );
    expect(existsSync(join(models, "seen"))).toBe(false);
  });

  test("the model's own context counts where the suite says none", async () => {
    engine = engineWith({}, { "GPU-11111111-2222-3333-4444-555555555555": 13 * GiB });
    expect((await engineErrorOf(gpu({}))).message).toContain("8.0 GiB of context");
    await (await gpu({ num_ctx: 32_768 })).unload();
  });

  test("a share counts instead of the GPU, and several GPUs together", async () => {
    engine = engineWith({}, { "GPU-a": 8 * GiB, "GPU-b": 8 * GiB });
    const share = await engineErrorOf(gpu({ num_ctx: 8_192 }, { gpus: ["GPU-a"], memoryBytes: 4 * GiB }));
    expect(share.message).toContain("its share of the GPU has 4.0 GiB");
    await (await gpu({ num_ctx: 32_768 }, { gpus: ["GPU-a", "GPU-b"] })).unload();
  });

  test("what it took before goes before what was computed", async () => {
    engine = engineWith({}, { "GPU-11111111-2222-3333-4444-555555555555": 8 * GiB });
    const digest = sha256(readFileSync(join(models, "manifests/registry.ollama.ai/library/tiny/1b")));
    await peaks.note(`ollama ${digest} ctx=32768 parallel=1 kv=f16 flash=auto gpus=1`, 5 * GiB);
    await (await gpu({ num_ctx: 32_768 })).unload();
    // What was loaded is noted: the stand-in says 100 bytes.
    await (await gpu({ num_ctx: 8_192 })).unload();
    expect(await peaks.of(`ollama ${digest} ctx=8192 parallel=1 kv=f16 flash=auto gpus=1`)).toBe(100);
  });

  test("nothing is said of a GPU or a model that is not known", async () => {
    engine = engineWith({}, {});
    await (await gpu({ num_ctx: 131_072 })).unload();
    engine = engineWith({}, { "GPU-11111111-2222-3333-4444-555555555555": 1 });
    await writeFile(join(models, "blobs/sha256-a"), "something else");
    await (await gpu({ num_ctx: 65_536 })).unload();
    expect(logs.join("")).toContain("what a model needs is not known");
  });
});

describe("pulling", () => {
  test("a model that is missing is fetched if the suite allows it, one at a time; one that is there is left alone", async () => {
    const both = await Promise.all([prepare("new:1b", { pull: true }), prepare("other:1b", { pull: true })]);
    expect(both.map(({ identity }) => identity.digest)).toEqual(
      ["new:1b", "other:1b"].map((name) => sha256(`{"pulled": "${name}"}`)),
    );
    await prepare("tiny:1b", { pull: true });
    const pulled = seenNow().filter(({ path }) => path === "/api/pull");
    expect(pulled.map(({ name }) => name).sort()).toEqual(["new:1b", "other:1b"]);
    const told = logs.filter((line) => /is pulled|was pulled/.test(line)).map((line) => JSON.parse(line).msg);
    expect(told).toEqual([
      "a model is pulled",
      "a model was pulled",
      "a model is pulled",
      "a model was pulled",
    ]);
  });

  test.each([
    ["nowhere:1b", "engine", "server_error", "file does not exist"],
    ["cut:1b", "transient", "silent_end", "ended without saying `success`"],
  ])("%s", async (model, kind, className, words) => {
    const error = await engineErrorOf(prepare(model, { pull: true }));
    expect([error.kind, error.class]).toEqual([kind, className]);
    expect(error.message).toContain(words);
  });
});

describe("a probe", () => {
  test("says what either could serve, the one without the other", async () => {
    engine = engineWith({ baseUrl: await refusedUrl() });
    const { managed, unavailable } = await engine.probe(never());
    expect(unavailable).toContain("nobody listens there");
    expect(managed?.version).toBe("0.99.0-stand-in");
    expect(managed?.models).toEqual(expect.arrayContaining(["tiny:1b", "slow:1b"]));
    const none = engineWith({ baseUrl: await refusedUrl(), path: "/nowhere/ollama" });
    expect((await none.probe(never())).managed?.unavailable).toContain("there is no program /nowhere/ollama");
    const other = engineWith({ baseUrl: await refusedUrl(), path: "/bin/echo" });
    expect((await other.probe(never())).managed?.unavailable).toContain("and no version: echo");
  });

  test("names of other registries and namespaces are whole", async () => {
    const manifests = join(models, "manifests");
    for (const name of ["registry.ollama.ai/me/mine/1b", "hf.co/some/Model/Q4"]) {
      await mkdir(join(manifests, name, ".."), { recursive: true });
      await writeFile(join(manifests, name), "{}");
    }
    const { managed } = await engineWith({ baseUrl: await refusedUrl() }).probe(never());
    expect(managed?.models).toEqual(expect.arrayContaining(["me/mine:1b", "hf.co/some/Model:Q4"]));
  });
});
