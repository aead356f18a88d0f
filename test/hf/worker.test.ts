/** The real worker on the real transformers, on the CPU, with models from local files. RANDOM WEIGHTS but for SmolLM2. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import type { PreparedModel } from "../../agent/engines/engine.js";
import { seeProcess } from "../../shared/runtime/proc.js";
import { engineErrorOf, eventsOf, never, pictureOf, requestOf } from "../support/inference.js";
import { output } from "../support/outside.js";
import { answerOf, generation, type RealEngine, realEngine } from "./engine.js";

let real: RealEngine;
const models = inject("models");
const say = (line: string): void => console.log(`  ${line}`);
const loadText = (prepared: PreparedModel): string =>
  `${prepared.identity.args.join(" ")}, loaded in ${(prepared.loadNs / 1e9).toFixed(1)} s`;
const argOf = (prepared: PreparedModel, name: string) =>
  prepared.identity.args.find((arg) => arg.startsWith(`${name}=`))?.slice(name.length + 1);
const rssOf = (pid: number, what = "VmRSS"): number =>
  1024 * Number(new RegExp(`${what}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);

beforeAll(async () => {
  real = await realEngine();
});
afterAll(() => real.close());

test("the worker's own pure parts", async () => {
  await output(inject("python"), ["-B", "-m", "unittest", "discover", "-s", join(import.meta.dirname)], {
    env: { PYTHONPATH: join(import.meta.dirname, "../../agent/engines/huggingface/worker") },
  });
});

test("the environment is found without importing anything heavy", async () => {
  const { version, unavailable } = await real.engine.probe(never());
  expect(unavailable).toBeUndefined();
  expect(version).toMatch(/^\d+\.\d+\.\d+, torch \d+\.\d+\.\d+\S*, Python 3\.\d+/);
});

describe("text, RANDOM WEIGHTS", () => {
  let text: PreparedModel;
  beforeAll(async () => {
    text = await real.load(join(models, "random-text"));
    say(`${loadText(text)}, ${Math.round(rssOf(real.started.at(-1)?.pid ?? 0) / 1e6)} MB resident`);
  });
  afterAll(() => text.unload());

  test("every token is told when it comes, and the pieces are the answer", async () => {
    const { events, done, text: answer } = await answerOf(text, "What is 2 + 2?", { max_tokens: 24 });
    const deltas = events.flatMap((event) => (event.kind === "delta" ? [event] : []));
    expect(deltas.map((delta) => delta.text).join("")).toBe(answer);
    expect(deltas.length).toBeGreaterThan(8);
    const times = events.map(({ tNs }) => tNs);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    // Not all at the end: they come over most of the time that the worker says generating took.
    const spanNs = (deltas.at(-1)?.tNs ?? 0) - (deltas[0]?.tNs ?? 0);
    expect(spanNs).toBeGreaterThan(0.5 * (done.server["eval_ns"] ?? Number.POSITIVE_INFINITY));
    expect(done).toMatchObject({ finish: "length", tokens: { out: 24, source: "server" } });
    expect(done.tokens.in).toBeGreaterThan(8);
    expect(done.server).toMatchObject({ temperature: 0, repetition_penalty: 1, max_new_tokens: 24 });
    const ttftMs = ((deltas[0]?.tNs ?? 0) - (events[0]?.tNs ?? 0)) / 1e6;
    say(
      `first token after ${ttftMs.toFixed(1)} ms, then ${(spanNs / 1e6 / (deltas.length - 1)).toFixed(1)} ms a delta`,
    );
  });

  test("greedy by itself, although the model's own generation_config samples; seeds repeat and differ", async () => {
    const ask = async (more: Parameters<typeof generation>[0]) => (await answerOf(text, "Hello", more)).text;
    const greedy = await ask({});
    expect(await ask({ seed: 9 })).toBe(greedy);
    expect(await ask({ temperature: 0, seed: 3 })).toBe(greedy);
    const one = await ask({ temperature: 1, seed: 1 });
    expect(await ask({ temperature: 1, seed: 1 })).toBe(one);
    expect(await ask({ temperature: 1, seed: 2 })).not.toBe(one);
    expect(await ask({ temperature: 1, top_k: 1, seed: 2 })).toBe(greedy);
    const { done } = await answerOf(text, "Hello", { temperature: 1 });
    const { seed } = done.server;
    expect(await ask({ temperature: 1, seed: seed ?? -1 })).toBe(done.text);
  });

  test("a stop text ends the answer before it, and none of it is told", async () => {
    const { text: whole } = await answerOf(text, "Hello", { max_tokens: 24 });
    const stop = [...whole].slice(9, 12).join("");
    const { events, done } = await answerOf(text, "Hello", { max_tokens: 24, stop: ["never there", stop] });
    expect(done.finish).toBe("stop");
    expect(done.text).toBe(whole.slice(0, whole.indexOf(stop)));
    const told = events.flatMap((event) => (event.kind === "delta" ? [event.text] : [])).join("");
    expect(told).toBe(done.text);
  });

  test("the context bounds the answer, and a prompt beyond it is refused by name", async () => {
    const { done } = await answerOf(text, "Hello", { num_ctx: 30, max_tokens: 500 });
    expect([done.finish, (done.tokens.in ?? 0) + (done.tokens.out ?? 0)]).toEqual(["length", 30]);
    const error = await engineErrorOf(answerOf(text, "word ".repeat(50), { num_ctx: 30 }));
    expect([error.kind, error.class]).toEqual(["engine", "prompt_too_long"]);
  });

  test("a picture is refused by a model that cannot see", async () => {
    const images = [{ name: "a.png", mime: "image/png", bytes: pictureOf("A") }];
    const error = await engineErrorOf(answerOf(text, "Hello", {}, images));
    expect([error.kind, error.class]).toEqual(["engine", "no_vision"]);
  });

  test("an abort ends one answer; the same worker goes on", async () => {
    const stop = new AbortController();
    let deltas = 0;
    const long = async () => {
      const request = requestOf({ user: "Hello", generation: generation({ max_tokens: 4000 }) });
      for await (const event of text.run(request, stop.signal)) {
        if (event.kind === "delta") deltas += 1;
        if (deltas === 3) stop.abort(new Error("enough"));
      }
    };
    await expect(long()).rejects.toThrow("enough");
    const programs = real.started.length;
    expect((await answerOf(text, "Hello")).text).not.toBe("");
    expect(real.started).toHaveLength(programs);
  });

  test("killed in mid-answer: a death; loaded anew, it says the same", async () => {
    const before = (await answerOf(text, "Hello")).text;
    const pid = real.started.at(-1)?.pid ?? 0;
    let deltas = 0;
    const request = requestOf({ user: "Hello", generation: generation({ max_tokens: 4000 }) });
    const dying = async () => {
      for await (const event of text.run(request, never()))
        if (event.kind === "delta" && ++deltas === 3) process.kill(pid, "SIGKILL");
    };
    const error = await engineErrorOf(dying());
    expect([error.kind, error.class]).toEqual(["death", "server_died"]);
    expect(error.message).toContain("signal SIGKILL");
    expect(text.isGone?.()).toBe(true);
    await text.unload();
    text = await real.load(join(models, "random-text"));
    expect((await answerOf(text, "Hello")).text).toBe(before);
  });
});

test("dtype is what was asked for: half the bytes, other numbers", async () => {
  const answers: string[] = [];
  for (const dtype of ["float32", "bfloat16"]) {
    const prepared = await real.load(join(models, "random-text"), { torch_dtype: dtype });
    expect(argOf(prepared, "dtype")).toBe(dtype);
    answers.push((await answerOf(prepared, "Tell me everything", { max_tokens: 200 })).text);
    say(loadText(prepared));
    await prepared.unload();
  }
  expect(answers[0]).not.toBe(answers[1]);
});

describe("vision, RANDOM WEIGHTS", () => {
  const picture = (text: string) => ({ name: `${text}.png`, mime: "image/png", bytes: pictureOf(text) });
  let vision: PreparedModel;
  beforeAll(async () => {
    vision = await real.load(join(models, "random-vision"));
    say(loadText(vision));
  });
  afterAll(() => vision.unload());

  test("what is in the picture changes the answer, and each picture takes tokens", async () => {
    const none = await answerOf(vision, "What do you see?");
    const [a, again, b] = [
      await answerOf(vision, "What do you see?", {}, [picture("AAAA")]),
      await answerOf(vision, "What do you see?", {}, [picture("AAAA")]),
      await answerOf(vision, "What do you see?", {}, [picture("iiii")]),
    ];
    expect(again.text).toBe(a.text);
    expect(b.text).not.toBe(a.text);
    expect(none.text).not.toBe(a.text);
    const two = await answerOf(vision, "What do you see?", {}, [picture("AAAA"), picture("iiii")]);
    const tokens = [none, a, two].map(({ done }) => done.tokens.in ?? 0);
    expect([(tokens[1] ?? 0) - (tokens[0] ?? 0), (tokens[2] ?? 0) - (tokens[1] ?? 0)]).toEqual([16, 16]);
  });

  test("a broken picture is the sample's fault, and the worker goes on", async () => {
    const broken = { name: "b.png", mime: "image/png", bytes: pictureOf("A").slice(0, 200) };
    const error = await engineErrorOf(answerOf(vision, "What?", {}, [broken]));
    expect([error.kind, error.class]).toEqual(["media", "media_broken"]);
    expect((await answerOf(vision, "What?", {}, [picture("A")])).text).not.toBe("");
  });
});

describe("SmolLM2-135M-Instruct, trained, from a GGUF file", () => {
  test("answers, ends by itself, and streams", async () => {
    const prepared = await real.load(inject("smollm2"));
    say(`${loadText(prepared)}, ${Math.round(rssOf(real.started.at(-1)?.pid ?? 0) / 1e6)} MB resident`);
    const { text, done, events } = await answerOf(prepared, "What is the capital of France?", {
      max_tokens: 48,
    });
    say(`it says ${JSON.stringify(text)}; ${done.tokens.out} tokens`);
    expect(text).toContain("Paris");
    expect(done.finish).toBe("stop");
    const deltas = events.flatMap((event) => (event.kind === "delta" ? [event.tNs] : []));
    expect(deltas.length).toBe(done.tokens.out);
    say(`${(((deltas.at(-1) ?? 0) - (deltas[0] ?? 0)) / 1e6 / (deltas.length - 1)).toFixed(0)} ms a token`);
    await prepared.unload();
  });
});

describe("out of memory", () => {
  test("a sample that does not fit fails alone; the worker goes on", async () => {
    const free = await real.load(join(models, "random-wide"));
    const peak = rssOf(real.started.at(-1)?.pid ?? 0, "VmPeak");
    await free.unload();
    const tight = await realEngine({ mostVirtualBytes: peak + 600e6 });
    try {
      const wide = await tight.load(join(models, "random-wide"));
      const error = await engineErrorOf(answerOf(wide, "two plus two ".repeat(500)));
      expect([error.kind, error.class]).toEqual(["oom", "out_of_memory"]);
      say(error.message);
      expect((await answerOf(wide, "Hello")).text).not.toBe("");
      expect(tight.started).toHaveLength(1);
    } finally {
      await tight.close();
    }
  });

  test("a model that does not fit is not loaded", async () => {
    const small = await real.load(join(models, "random-text"));
    const peak = rssOf(real.started.at(-1)?.pid ?? 0, "VmPeak");
    await small.unload();
    const tight = await realEngine({ mostVirtualBytes: peak + 150e6 });
    try {
      const error = await engineErrorOf(tight.load(join(models, "random-wide")));
      say(error.message);
      expect([error.kind, error.class]).toEqual(["oom", "out_of_memory"]);
    } finally {
      await tight.close();
    }
  });
});

test("a snapshot in the hub's cache is found offline, by its commit and by a branch", async () => {
  const commit = "0123456789abcdef0123456789abcdef01234567";
  const repository = join(real.cacheDir, "hub", "models--some--model");
  mkdirSync(join(repository, "snapshots"), { recursive: true });
  mkdirSync(join(repository, "refs"), { recursive: true });
  cpSync(join(models, "random-text"), join(repository, "snapshots", commit), { recursive: true });
  writeFileSync(join(repository, "refs", "main"), commit);
  const loose = await real.load("some/model");
  expect([loose.identity.digest, loose.flags]).toEqual([commit, ["revision_not_pinned"]]);
  await loose.unload();
  const pinned = await real.load("some/model", {}, commit);
  expect([argOf(pinned, "commit"), pinned.flags]).toEqual([commit, []]);
  expect((await answerOf(pinned, "Hello")).text).not.toBe("");
  await pinned.unload();
  const other = await engineErrorOf(real.load("some/model", {}, "f".repeat(40)));
  expect(other.class).toBe("model_missing");
});

test("a template that knows no system message gets it in the user's, and says so", async () => {
  const folder = join(real.cacheDir, "no-system");
  cpSync(join(models, "random-text"), folder, { recursive: true });
  const template = join(folder, "chat_template.jinja");
  const refusing =
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}";
  writeFileSync(template, refusing + readFileSync(template, "utf8"));
  const prepared = await real.load(folder);
  const ask = async (more: Parameters<typeof requestOf>[0]) => {
    const events = await eventsOf(prepared, requestOf({ generation: generation({}), ...more }));
    const done = events.at(-1);
    return done?.kind === "done" ? done : undefined;
  };
  const told = await ask({ system: "Be kind.", user: "Hello" });
  const joined = await ask({ user: "Be kind.\n\nHello" });
  expect([told?.flags, told?.text]).toEqual([["system_in_user"], joined?.text]);
  expect(joined?.flags).toEqual([]);
  await prepared.unload();
});

test.each([
  [
    "drops a system message",
    "{% for m in messages %}{% if m['role'] == 'user' %}<|user|>{{ m['content'] }}<|end|><|assistant|>{% endif %}{% endfor %}",
  ],
  [
    "refuses one in words of its own",
    "{% if messages[0]['role'] != 'user' %}{{ raise_exception('Conversation roles must alternate') }}{% endif %}<|user|>{{ messages[0]['content'] }}",
  ],
])("a template that %s does not lose it", async (_, template) => {
  const folder = join(mkdtempSync(join(real.cacheDir, "template-")), "model");
  cpSync(join(models, "random-text"), folder, { recursive: true });
  writeFileSync(join(folder, "chat_template.jinja"), template);
  const prepared = await real.load(folder);
  const ask = async (more: Parameters<typeof requestOf>[0]) =>
    (await eventsOf(prepared, requestOf({ generation: generation({}), ...more }))).at(-1);
  const told = await ask({ system: "Be kind.", user: "Hello" });
  const joined = await ask({ user: "Be kind.\n\nHello" });
  expect(told).toMatchObject({ flags: ["system_in_user"] });
  expect(joined).toMatchObject({ text: told?.kind === "done" ? told.text : "", flags: [] });
  await prepared.unload();
});

test("a template that lies with the tokenizer is a vision-language model's, too", async () => {
  const folder = join(real.cacheDir, "template-with-tokenizer");
  cpSync(join(models, "random-vision"), folder, { recursive: true });
  const [template, config] = [join(folder, "chat_template.jinja"), join(folder, "tokenizer_config.json")];
  const chat_template = readFileSync(template, "utf8");
  writeFileSync(config, JSON.stringify({ ...JSON.parse(readFileSync(config, "utf8")), chat_template }));
  rmSync(template);
  const prepared = await real.load(folder);
  expect(argOf(prepared, "chat_template")).toBeUndefined();
  expect((await answerOf(prepared, "Hello")).text).not.toBe("");
  await prepared.unload();
});

test("an empty prompt without a template is named", async () => {
  const folder = join(real.cacheDir, "no-template");
  cpSync(join(models, "random-text"), folder, { recursive: true });
  rmSync(join(folder, "chat_template.jinja"));
  const prepared = await real.load(folder);
  expect(prepared.identity.args).toContain("chat_template=none");
  expect((await engineErrorOf(answerOf(prepared, ""))).class).toBe("empty_prompt");
  expect((await answerOf(prepared, "Hello")).text).not.toBe("");
  await prepared.unload();
});

describe("pickled weights", () => {
  let folder: string;
  beforeAll(async () => {
    folder = join(real.cacheDir, "pickled");
    cpSync(join(models, "random-text"), folder, { recursive: true });
    const convert =
      "import sys, os, torch, safetensors.torch as s; f = sys.argv[1] + '/model.safetensors'; torch.save(s.load_file(f), sys.argv[1] + '/pytorch_model.bin'); os.remove(f)";
    await output(inject("python"), ["-I", "-c", convert, folder]);
  });

  test("are refused", async () => {
    const error = await engineErrorOf(real.load(folder));
    expect([error.kind, error.class]).toEqual(["engine", "pickled_weights"]);
    expect(error.message).toContain("engines.huggingface.allow_pickle");
  });

  test("are loaded where the operator allows it", async () => {
    const trusting = await realEngine({ config: { allowPickle: true } });
    try {
      const prepared = await trusting.load(folder);
      const safe = await real.load(join(models, "random-text"));
      expect((await answerOf(prepared, "Hello")).text).toBe((await answerOf(safe, "Hello")).text);
      await safe.unload();
    } finally {
      await trusting.close();
    }
  });
});

test("code of a model's own is refused in words that name both who must allow it", async () => {
  const folder = join(real.cacheDir, "own-code");
  cpSync(join(models, "random-text"), folder, { recursive: true });
  const own = {
    model_type: "own",
    auto_map: { AutoConfig: "own.Config", AutoModelForCausalLM: "own.Model" },
  };
  writeFileSync(join(folder, "config.json"), JSON.stringify(own));
  const error = await engineErrorOf(real.load(folder));
  expect(error.class).toBe("remote_code_refused");
  expect(error.message).toContain("engines.huggingface.allow_remote_code");
});

test("what is not there is missing by name, and the hub is not asked", async () => {
  const local = await engineErrorOf(real.load("/no/such/model"));
  expect([local.class, local.message]).toEqual([
    "model_missing",
    expect.stringContaining("there is no model at /no/such/model"),
  ]);
  const hub = await engineErrorOf(real.load("nobody/nothing"));
  expect([hub.class, hub.message]).toEqual([
    "model_missing",
    expect.stringContaining("engines.huggingface.allow_download"),
  ]);
});

test("nothing is left of any worker", async () => {
  const { events } = await real
    .load(join(models, "random-text"))
    .then((prepared) => answerOf(prepared, "Hello"));
  expect(events.at(-1)?.kind).toBe("done");
  await real.engine.close();
  const ends = await Promise.all(real.started.map((program) => program.ended));
  expect(ends).toHaveLength(real.started.length);
  const alive = real.started.filter(({ pid }) => /[^ZX]/.test(seeProcess(pid)?.state ?? "X"));
  expect(alive.map(({ pid }) => pid)).toEqual([]);
});
