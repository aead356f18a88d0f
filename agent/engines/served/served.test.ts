/** Supervision of vLLM and SGLang with a stand-in for both (test/support/stand-in-vllm): no model, no GPU, no real server. */
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../shared/runtime/clock.js";
import { nodeDisk } from "../../../shared/runtime/disk.js";
import { lineLogger } from "../../../shared/runtime/logger.js";
import { seeProcess } from "../../../shared/runtime/proc.js";
import { engineErrorOf, eventsOf, modelSpec, never, requestOf } from "../../../test/support/inference.js";
import { Processes } from "../../processes/processes.js";
import type { Engine, EnginePlace } from "../engine.js";
import { type Flavour, SGLANG, VLLM } from "./flavours.js";
import type { ServedConfig } from "./options.js";
import { createServedEngine } from "./served.js";

const PROGRAM = fileURLToPath(new URL("../../../test/support/stand-in-vllm/vllm.mjs", import.meta.url));
const [A, B] = ["GPU-11111111-2222-3333-4444-555555555555", "GPU-22222222-2222-3333-4444-555555555555"];
const ONE: EnginePlace = { gpus: [A ?? ""] };
const TWO: EnginePlace = { gpus: [B ?? "", A ?? ""] };
const MODEL = "org/tiny-1b";
const TOKEN = "hf_secretOfTheOperator";
/** Pauses are a tenth of what they are. */
const clock = { ...systemClock, sleep: (ms: number, its?: AbortSignal) => systemClock.sleep(ms / 10, its) };

let dir: string;
let logs: string[];
const engines: Engine[] = [];
const opened: Processes[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "sai-served-"));
  logs = [];
});
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
  for (const processes of opened.splice(0)) await processes.close(0);
  // A note of a program is there as long as anything of it is; nothing of any start is left.
  expect(await readdir(join(dir, "programs"))).toEqual([]);
  await allGone();
  expect(logs.join("\n")).not.toContain(TOKEN);
  await rm(dir, { recursive: true });
});

interface Script {
  version?: string;
  loadMs?: number;
  fail?: "oom" | "wrong" | "hang";
}

async function engineWith(
  script: Script = {},
  config: Partial<ServedConfig> = {},
  flavour: Flavour = VLLM,
): Promise<Engine> {
  const log = lineLogger((line) => logs.push(line), "debug");
  const told = JSON.stringify({ ...script, seen: join(dir, "seen") });
  const env = { PATH: process.env["PATH"], STAND_IN_VLLM: told };
  const processes = await Processes.open({ disk: nodeDisk, dir: join(dir, "programs"), env, clock, log });
  opened.push(processes);
  const engine = createServedEngine(
    flavour,
    {
      ...{ path: PROGRAM, memoryShare: 0.9, loadTimeoutMs: 20_000, args: [], token: TOKEN },
      ...{ trustRemoteCode: false, gpuIds: "auto", ...config },
    },
    { processes, clock, log, stallMs: 2_000, gpuIndex: (uuid) => ({ [A ?? ""]: 3, [B ?? ""]: 5 })[uuid] },
  );
  engines.push(engine);
  return engine;
}

/** What each start of the stand-in was told, in order. */
function seen(): { args: string[]; cuda: string; order: string; token: string; pid: number; core: number }[] {
  const file = join(dir, "seen");
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

/** What is dead and only waits for init to take note of it does no harm. */
const isAlive = (pid = 0): boolean => !["Z", undefined].includes(seeProcess(pid)?.state);
/** Who is killed needs a moment; who is not fails the test by its timeout. */
async function allGone(): Promise<void> {
  while (seen().some(({ pid, core }) => isAlive(pid) || isAlive(core))) await systemClock.sleep(5);
}

const tiny = (options = {}, more = {}) => ({ ...modelSpec("vllm", MODEL, options), ...more });

describe("a model", () => {
  test("is served on its GPUs, measured, and recorded as it was started", async () => {
    const engine = await engineWith({ loadMs: 300 });
    // Who asks for a version may have to wait longer than a probe does.
    let seenNow = await engine.probe(never());
    while (seenNow.version === "") seenNow = await engine.probe(never());
    expect(seenNow).toEqual({ version: "0.24.1", models: [] });
    const options = { num_ctx: 2048, torch_dtype: "bfloat16", device: "gpu", load_in_8bit: true };
    const prepared = await engine.prepare(
      tiny({ max_num_seqs: 16, max_images: 2 }, { revision: "main", quant: "awq" }),
      options,
      never(),
      TWO,
    );
    expect(prepared.identity).toEqual({
      ...{ version: "0.24.1", quant: "awq" },
      args: [
        ...["serve", MODEL, "--host=127.0.0.1", `--served-model-name=${MODEL}`, "--tensor-parallel-size=2"],
        ...["--gpu-memory-utilization=0.9", "--seed=0", "--revision=main", "--dtype=bfloat16"],
        ...[
          "--max-model-len=2048",
          "--max-num-seqs=16",
          "--quantization=awq",
          '--limit-mm-per-prompt={"image":2}',
        ],
      ],
    });
    expect(prepared.loadNs).toBeGreaterThan(300e6);
    const [start] = seen();
    expect(start?.args).toEqual([...prepared.identity.args, expect.stringMatching(/^--port=\d+$/)]);
    expect(start).toMatchObject({ cuda: `${B},${A}`, order: "PCI_BUS_ID", token: TOKEN });

    const generation = { ...requestOf().generation, top_k: 5, seed: 1, num_ctx: 2048 };
    const events = await eventsOf(prepared, requestOf({ generation }));
    expect(events.map((e) => (e.kind === "delta" ? e.text : e.kind))).toEqual([
      ...["sent", "first_byte", "word0 ", "word1 ", "word2 ", "done"],
    ]);
    expect(events.at(-1)).toMatchObject({ tokens: { in: 5, out: 3, source: "server" }, finish: "length" });
    expect(prepared.notApplied(generation, options)).toEqual(["load_in_8bit"]);
    await prepared.unload();
    await allGone();
  });

  test("SGLang is told the same in its own words", async () => {
    const engine = await engineWith({ version: "0.5.4" }, { downloadDir: "/models" }, SGLANG);
    const options = { enable_prefix_caching: false, enforce_eager: true, num_ctx: 512 };
    const prepared = await engine.prepare({ ...tiny(), engine: "sglang" }, options, never(), ONE);
    expect(prepared.identity).toEqual({
      version: "0.5.4",
      args: [
        ...["-m", "sglang.launch_server", `--model-path=${MODEL}`, "--host=127.0.0.1"],
        ...[`--served-model-name=${MODEL}`, "--tensor-parallel-size=1", "--mem-fraction-static=0.9"],
        ...["--random-seed=0", "--context-length=512", "--download-dir=/models"],
        ...["--disable-cuda-graph", "--disable-radix-cache"],
      ],
    });
    expect((await eventsOf(prepared)).at(-1)?.kind).toBe("done");
  });

  test("a vLLM before 0.24 is told numbers; where there is none, or the operator says so, it is said", async () => {
    const old = await engineWith({ version: "0.9.2" });
    await old.prepare(tiny(), {}, never(), TWO);
    expect(seen().at(-1)?.cuda).toBe("5,3");
    const error = await engineErrorOf(old.prepare(tiny(), {}, never(), { gpus: ["MIG-1"] }));
    expect([error.class, error.message]).toEqual([
      "bad_option",
      "vLLM 0.9.2 wants GPUs by number, and MIG-1: a MIG slice has no number; use a newer vLLM, or whole GPUs",
    ]);
    // A start of an agent ends what one before it has left.
    await old.close();
    await (await engineWith({ version: "0.9.2" }, { gpuIds: "uuid" })).prepare(tiny(), {}, never(), ONE);
    expect(seen().at(-1)?.cuda).toBe(A);
  });

  test("the operator's arguments go along", async () => {
    const engine = await engineWith({}, { args: ["--swap-space=8"] });
    const { identity } = await engine.prepare(tiny(), {}, never(), ONE);
    expect(identity.args.at(-1)).toBe("--swap-space=8");
  });
});

describe("what a suite may not say", () => {
  test.each<[string, object, EnginePlace, string]>([
    ["a part of a GPU", tiny(), { ...ONE, memoryBytes: 8e9 }, "cannot be given a part of one"],
    ["an option nobody knows", tiny({ api_key: "x" }), ONE, "the option api_key is not known"],
    ["an option of another kind", tiny({ max_num_seqs: "many" }), ONE, "must be a whole number"],
    ["a word with a flag in it", tiny({ dtype: "float16 --port=1" }), ONE, "it must be a word"],
    ["a flag for a model", { ...tiny(), model: "--api-key=x" }, ONE, "neither a name of Hugging Face"],
    ["a flag for a revision", tiny({}, { revision: "-x" }), ONE, "its revision is no name"],
    ["code of the model", tiny({ trust_remote_code: true }), ONE, "engines.vllm.trust_remote_code"],
  ])("%s", async (_name, model, place, words) => {
    const engine = await engineWith();
    const error = await engineErrorOf(engine.prepare(model as ReturnType<typeof tiny>, {}, never(), place));
    expect([error.class, error.message.includes(words)]).toEqual(["bad_option", true]);
    expect(seen()).toEqual([]);
  });

  test("no GPU, no server", async () => {
    const error = await engineErrorOf((await engineWith()).prepare(tiny(), {}, never(), { gpus: [] }));
    expect(error.class).toBe("no_gpu");
  });

  test("code of the model, unless the operator allows it", async () => {
    const engine = await engineWith({}, { trustRemoteCode: true });
    const { identity } = await engine.prepare(tiny({ trust_remote_code: true }), {}, never(), ONE);
    expect(identity.args).toContain("--trust-remote-code");
  });
});

describe("failures", () => {
  test.each<[Script["fail"] & string, string, string, string]>([
    ["oom", "oom", "out_of_memory", "Tried to allocate 20.00 GiB"],
    ["wrong", "engine", "server_ended", "NoSuchModel"],
    ["hang", "engine", "load_timeout", "engine_config.load_timeout"],
  ])("%s while it loads, with its last words and without the token", async (fail, kind, className, words) => {
    const engine = await engineWith({ fail }, { loadTimeoutMs: fail === "hang" ? 600 : 20_000 });
    const error = await engineErrorOf(engine.prepare(tiny(), {}, never(), ONE));
    expect([error.kind, error.class]).toEqual([kind, className]);
    expect(error.message).toContain(words);
    expect(error.message).toContain(`vLLM 0.24.1 for ${MODEL}`);
    expect(inspect(error, { depth: 9 })).not.toContain(TOKEN);
    // Tried once, and nothing of it is left.
    expect(seen()).toHaveLength(1);
    await allGone();
  });

  test("out of memory while it serves ends it for good", async () => {
    const prepared = await (await engineWith()).prepare(tiny(), {}, never(), ONE);
    const error = await engineErrorOf(eventsOf(prepared, requestOf({ user: "oom" })));
    expect([error.kind, error.class]).toEqual(["oom", "out_of_memory"]);
    expect(prepared.isGone?.()).toBe(true);
  });

  test("its end in mid-answer is a death for all its requests; it starts again, on the same GPUs", async () => {
    const prepared = await (await engineWith()).prepare(tiny(), {}, never(), ONE);
    const other = engineErrorOf(eventsOf(prepared, requestOf({ user: "endless" })));
    const error = await engineErrorOf(eventsOf(prepared, requestOf({ user: "die" })));
    expect([error.kind, error.class]).toEqual(["death", "server_died"]);
    expect((await other).kind).toBe("death");
    expect((await eventsOf(prepared)).at(-1)?.kind).toBe("done");
    const starts = seen();
    expect(starts.map(({ cuda }) => cuda)).toEqual([A, A]);
    while (isAlive(starts[0]?.core)) await systemClock.sleep(5);
  });

  test("silence in mid-answer ends the answer, and aborting one ends no other", async () => {
    const prepared = await (await engineWith()).prepare(tiny(), {}, never(), ONE);
    expect((await engineErrorOf(eventsOf(prepared, requestOf({ user: "hang" })))).class).toBe("stalled");
    const stop = new AbortController();
    const stopped = eventsOf(prepared, requestOf({ user: "endless" }), stop.signal);
    const whole = eventsOf(prepared);
    stop.abort(new Error("enough"));
    await expect(stopped).rejects.toThrow("enough");
    expect((await whole).at(-1)?.kind).toBe("done");
    expect(seen()).toHaveLength(1);
  });

  test("a load that nobody waits for any more leaves nothing", async () => {
    const engine = await engineWith({ fail: "hang" });
    const stop = new AbortController();
    const loading = engine.prepare(tiny(), {}, stop.signal, ONE);
    while (seen().length === 0) await systemClock.sleep(5);
    stop.abort(new Error("not any more"));
    await expect(loading).rejects.toThrow("not any more");
  });

  test("nor does one wait for a version that nobody wants to know any more", async () => {
    const asked = join(dir, "asked");
    const path = join(dir, "slow-vllm");
    await writeFile(path, `#!/bin/sh\ntouch ${asked}\nexec sleep 60\n`, { mode: 0o755 });
    const engine = await engineWith({}, { path });
    const stop = new AbortController();
    const loading = engine.prepare(tiny(), {}, stop.signal, ONE);
    while (!existsSync(asked)) await systemClock.sleep(5);
    stop.abort(new Error("not any more"));
    await expect(loading).rejects.toThrow("not any more");
    const other = engine.prepare(tiny(), {}, never(), ONE);
    await engine.close();
    await expect(other).rejects.toThrow("the agent stops");
  });

  test("a program that is not there, is none, or was not named", async () => {
    const missing = await engineWith({}, { path: "/nonexistent/vllm" });
    expect((await missing.probe(never())).unavailable).toMatch(
      /vLLM at \/nonexistent\/vllm.*engines\.vllm\.path/,
    );
    const none = await engineWith({}, { path: "/bin/true" });
    const error = await engineErrorOf(none.prepare(tiny(), {}, never(), ONE));
    expect([error.class, error.message.includes("did not say its version")]).toEqual(["cannot_start", true]);
    const off = await engineWith({}, { path: undefined });
    expect((await off.probe(never())).unavailable).toBe("engines.vllm.path names no vLLM");
  });
});
