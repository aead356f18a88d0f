import { expect, test } from "vitest";
import type { EngineKind, GenerationSettings } from "../../shared/benchmark/plan.js";
import { jobSpec, modelSpec, requestOf } from "../../test/support/inference.js";
import type { PreparedModel } from "../engines/engine.js";
import { IN_CACHE_KEY, sureModel, whyNotCached } from "./cached-job.js";

const prepared = (more: Partial<PreparedModel> = {}): PreparedModel => ({
  identity: { version: "1", digest: "d", args: [] },
  ...{ loadNs: 0, flags: [], notApplied: () => [], unload: async () => {} },
  // biome-ignore lint/correctness/useYield: nobody asks it.
  run: async function* () {
    throw new Error("nobody asks");
  },
  ...more,
});
const why = (
  generation: Partial<GenerationSettings>,
  ignored: string[] = [],
  more?: Partial<PreparedModel>,
) => {
  const job = jobSpec(modelSpec("ollama", "m"), 1);
  return whyNotCached({ ...job, generation: { ...job.generation, ...generation } }, prepared(more), ignored);
};

test("temperature 0 or a seed fixes answers, where the engine applies it", () => {
  expect(why({ temperature: 0 })).toBeUndefined();
  expect(why({ seed: 3, temperature: 1 })).toBeUndefined();
  expect(why({})).toBe("not_deterministic");
  expect(why({ temperature: 0.1 })).toBe("not_deterministic");
  expect(why({ temperature: 0 }, ["temperature"])).toBe("not_deterministic");
  expect(why({ seed: 3 }, ["seed"])).toBe("not_deterministic");
  expect(why({ seed: 3, temperature: 0 }, ["seed"])).toBeUndefined();
  expect(why({}, [], { drawsNothing: true })).toBeUndefined();
  expect(why({ temperature: 0 }, [], { identity: { version: "1", args: [] } })).toBe("model_unknown");
});

test("a model is known by its digest, by a commit, and at providers by the suite's word", () => {
  const of = (engine: EngineKind, revision?: string, digest?: string) =>
    sureModel(
      { ...modelSpec(engine, "m"), ...(revision !== undefined && { revision }) },
      { version: "", args: [], ...(digest !== undefined && { digest }) },
    );
  expect(of("ollama", undefined, "abc")).toBe("abc");
  expect(of("huggingface", "main", "abc")).toBe("abc");
  expect(of("vllm", "main")).toBeUndefined();
  expect(of("vllm", "a".repeat(40))).toBe(`revision ${"a".repeat(40)}`);
  expect(of("openai")).toBeUndefined();
  expect(of("openai", "2024-08-06")).toBe("revision 2024-08-06");
});

test("every part of a request is in the key", () => {
  for (const part of Object.keys(requestOf())) expect(IN_CACHE_KEY).toHaveProperty(part);
});
