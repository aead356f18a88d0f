/** What agent and worker say to each other, one JSON object a line; worker/main.py tells the order. */
import { z } from "zod";

/** Another worker than this agent's own would say another one. */
export const WORKER_PROTOCOL = 1;

export interface LoadRequest {
  op: "load";
  /** ORGANISATION/NAME, or an absolute path. */
  model: string;
  revision?: string;
  /** auto, float32, float16, bfloat16. */
  dtype: string;
  /** How many GPUs it must see; 0: the CPU. */
  gpus: number;
  device_map?: string;
  /** Of each GPU's memory, 0 to 1. */
  memory_share: number;
  /** Less than that, where only a part of one GPU was leased. */
  memory_bytes?: number;
  cache_dir?: string;
  allow_download: boolean;
  allow_pickle: boolean;
  trust_remote_code: boolean;
  threads?: number;
  /** Of the same files as they were seen before. */
  known_digest?: { stamp: string; digest: string };
}

export interface GenerateRequest {
  op: "generate";
  id: number;
  system?: string;
  user: string;
  images: { name: string /** Base64. */; data: string }[];
  settings: {
    temperature?: number | undefined;
    max_tokens?: number | undefined;
    top_p?: number | undefined;
    top_k?: number | undefined;
    seed?: number | undefined;
    num_ctx?: number | undefined;
    repeat_penalty?: number | undefined;
    stop?: string[] | undefined;
    think?: boolean;
  };
}

export type ToWorker = LoadRequest | GenerateRequest | { op: "abort"; id: number };

const loaded = z.object({
  event: z.literal("loaded"),
  versions: z.object({ torch: z.string(), transformers: z.string() }),
  architecture: z.string(),
  /** Whether it takes pictures. */
  sees: z.boolean(),
  parameters: z.number(),
  weight_bytes: z.number(),
  dtype: z.string(),
  devices: z.array(z.string()),
  gguf: z.string().nullable(),
  /** Full hash of the commit; of what comes from the hub. */
  commit: z.string().nullable(),
  /** Whether the suite named that very commit; true for local files. */
  pinned: z.boolean(),
  chat_template: z.boolean(),
  threads: z.number(),
  /** The commit, or SHA-256 over the local files. */
  digest: z.string(),
  /** How long naming it took, once it was loaded. */
  after_load_ns: z.number(),
  stamp: z.string().optional(),
});
const token = z.object({
  ...{ event: z.literal("token"), id: z.number(), n: z.number(), text: z.string() },
  /** Of the worker's own clock. */
  t_ns: z.number(),
});
const done = z.object({
  ...{ event: z.literal("done"), id: z.number(), text: z.string(), finish: z.enum(["stop", "length"]) },
  ...{ tokens_in: z.number(), tokens_out: z.number(), flags: z.array(z.string()) },
  /** Times, settings and memory as the worker saw and used them. */
  figures: z.record(z.string(), z.number()),
});
const failed = z.object({
  event: z.literal("error"),
  /** Null: the load. */
  id: z.number().nullable(),
  kind: z.enum(["transient", "oom", "engine", "media"]),
  ...{ class: z.string(), message: z.string() },
});

const fromWorker = z.discriminatedUnion("event", [
  z.object({ event: z.literal("hello"), v: z.number(), python: z.string() }),
  z.object({ event: z.literal("aborted"), id: z.number() }),
  ...[loaded, token, done, failed],
]);

export type FromWorker = z.output<typeof fromWorker>;
export type Loaded = z.output<typeof loaded>;
export type Done = z.output<typeof done>;

/** A line of the worker; undefined when it is none. */
export function readEvent(line: string): FromWorker | undefined {
  try {
    return fromWorker.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
