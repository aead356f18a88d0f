/**
 * The configuration file as people write it: the one schema. Keys are snake_case and in the units of the deployment
 * guide (seconds, GB), everything has a default, unknown keys are refused. What a leaf is besides its type (a secret,
 * or accepted without effect in this version) is registered beside it, so that the rest is derived from here: the
 * environment names, the rows of `sai doctor`, the notices.
 */
import { z } from "zod";

/** What a leaf of the schema is besides its type. */
export interface LeafNote {
  /** Hidden wherever values are shown. */
  secret?: true;
  /** Why setting it changes nothing in this version. */
  unused?: string;
}

export const leafNotes = z.registry<LeafNote>();

/** How nvidia-smi is called where nobody said. */
export const NVIDIA_SMI = "nvidia-smi";

const NAME = /^[A-Za-z0-9._:/@-]{1,128}$/;
const ADDRESS = /^(\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+):\d{1,5}$/;
const SIZE = /^\s*\d+(\.\d+)?\s*([kKmMgG]?i?[bB])?\s*$/;

const secret = () => z.string().min(1).max(8192).optional().register(leafNotes, { secret: true });
const seconds = (byDefault: number) => z.number().positive().max(31_536_000).default(byDefault);
const millis = (byDefault: number) => z.int().min(1).max(604_800_000).default(byDefault);
const count = (byDefault: number, max = 1_000_000) => z.int().min(1).max(max).default(byDefault);
const port = () => z.int().min(0).max(65_535).optional();
const folder = () => z.string().min(1).max(4096).optional();
const name = () =>
  z.string().regex(NAME, { error: "is not a name (letters, digits and . _ : / @ -, up to 128)" });
const address = () => z.string().regex(ADDRESS, { error: "is not HOST:PORT" });
const addresses = () =>
  z
    .string()
    .transform((text) => text.replace(/\s/g, ""))
    .refine((text) => text.split(",").every((one) => ADDRESS.test(one)), {
      error: "is not HOST:PORT, or several with commas between them",
    });
const url = (byDefault: string) =>
  z.url({ protocol: /^https?$/, error: "is not an http or https URL" }).default(byDefault);
const size = () =>
  z.union([z.int().min(0), z.string().regex(SIZE)], {
    error: 'is not a size such as 4096, "100MB" or "1GiB"',
  });

/** Marks every leaf of a shape as accepted without effect. */
function unused<T extends z.ZodRawShape>(why: string, shape: T): T {
  for (const leaf of Object.values(shape)) {
    const schema = leaf as z.ZodType;
    if (schema instanceof z.ZodObject || schema instanceof z.ZodPrefault) continue;
    leafNotes.add(schema, { ...leafNotes.get(schema), unused: why });
  }
  return shape;
}

/** A section: strict, and complete with defaults when it is absent. */
const section = <T extends z.ZodRawShape>(shape: T) => z.strictObject(shape).prefault({} as never);

const LATER_KEYS = "this version has no API keys; keep it on loopback or behind a proxy that checks them";
const SUITE_SAYS = "each suite says it in its engine_config";

const handler = z.discriminatedUnion(
  "type",
  [
    z.strictObject({ type: z.literal("file"), filename: z.string().min(1).max(4096) }),
    z.strictObject({ type: z.literal("stderr") }),
    z.strictObject({ type: z.literal("syslog"), facility: z.string().max(32).default("local0") }),
  ],
  { error: "is not one of file, stderr, syslog" },
);

const testDevice = z.strictObject({
  uuid: name(),
  name: z.string().min(1).max(128).default("test device"),
  slots: count(1, 1024),
  memory_gb: z.number().min(0).max(1_000_000).default(0),
});

const remoteEngine = (baseUrl: string) => ({
  base_url: url(baseUrl),
  api_key: secret(),
  api_key_file: folder(),
  // At once, of one agent.
  max_concurrent_requests: count(8, 10_000),
  // In any 60 s, of one agent: a tenth of them at once, the others evenly.
  rate_limit_per_minute: z.int().min(1).max(10_000_000).optional(),
  // Of one agent on one day (UTC), with the key of this section; nothing is sent that could go beyond it.
  max_spend_usd: z.number().positive().max(1_000_000).optional(),
  ...unused(SUITE_SAYS, { timeout: seconds(300), max_retries: z.int().min(0).max(100).default(3) }),
});

const servedEngine = () => ({
  // vLLM: its program; SGLang: the Python that has it. A path, or a name to look up in PATH; not set: the engine is off.
  path: z.string().min(1).max(4096).optional(),
  // Where it keeps what it downloads; default: engines.huggingface.cache_dir, or its own.
  download_dir: folder(),
  // Share of each GPU's memory that it takes; a suite may say otherwise.
  gpu_memory_utilization: z.number().positive().max(1).default(0.9),
  // From its start until it has made a token; a suite may say otherwise.
  load_timeout: seconds(900),
  // More arguments, as they are; suites cannot add any.
  args: z.array(z.string().min(1).max(4096)).max(256).default([]),
  // Whether suites may ask for code that comes with a model (trust_remote_code).
  trust_remote_code: z.boolean().default(false),
  // How it is told its GPUs in CUDA_VISIBLE_DEVICES; auto: by UUID, but by number to a vLLM before 0.24.
  gpu_ids: z.enum(["auto", "uuid", "index"], { error: "is not one of auto, uuid, index" }).default("auto"),
});

const noQuota = (why: string) =>
  z
    .unknown()
    .optional()
    .refine((value) => value === undefined, { error: `is no quota of this version: ${why}` });
const tenantName = () =>
  z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, {
    error: "is not a tenant's name (letters, digits and . _ -, up to 63)",
  });
const tenant = z.strictObject({
  // Its share of the slots beside the other tenants that have work.
  weight: z.number().min(0.001).max(1000).default(1),
  // Campaigns that have not ended.
  max_campaigns: z.int().min(1).max(1_000_000).optional(),
  // Shards on nodes at once, those that wait there included.
  max_running_shards: z.int().min(1).max(100_000_000).optional(),
  max_gpu_hours: noQuota("GPU hours are counted for each campaign; budget.gpu_hours of a suite limits one"),
  max_storage: noQuota("artifacts are not counted by tenant"),
  max_spend: noQuota(
    "budget.usd of a suite limits one campaign, engines.openai.max_spend_usd what one agent spends",
  ),
});

export const fileSchema = z.strictObject({
  environment: name().default("development"),
  debug: z.boolean().default(false),
  instance_id: name().optional(),
  data_dir: z.string().min(1).max(4096).default(".sai"),
  resource_manager: section({
    // Memory of GPUs that attempts of this node may hold at once, over all of them, in GB.
    gpu_memory_limit: z.number().positive().max(1_000_000).optional(),
    // Memory of the agent and the servers and workers it has started, in GB: above it no other one is started.
    system_memory_limit: z.number().positive().max(1_000_000).optional(),
    // How long an attempt waits at the front for GPUs of this node before others may have it, in seconds.
    allocation_timeout: seconds(120),
    // How long a model stays loaded on GPUs that nobody asks for, in seconds.
    cleanup_interval: seconds(300),
    // Models that stay loaded beside those in use, 4 unless said; said, GPUs are leased to no more at once, too.
    max_concurrent_models: z.int().min(1).max(100_000).optional(),
    cpu_core_limit: z.int().min(1).max(65_536).optional(),
  }),
  engines: section({
    ollama: section({
      // The shared server, asked for models without a device.
      base_url: url("http://127.0.0.1:11434"),
      // The program for servers that the agent starts itself, for models with one: a path, or a name to look up in PATH.
      path: z.string().min(1).max(4096).default("ollama"),
      // Folder of their models; default: OLLAMA_MODELS, or .ollama/models in the home folder.
      models_dir: folder(),
      ...unused(SUITE_SAYS, { timeout: seconds(300), max_retries: z.int().min(0).max(100).default(3) }),
      health_check_interval: seconds(60),
    }),
    huggingface: section({
      // The interpreter its worker runs in; default: of the environment that `sai engine install huggingface` makes in data_dir.
      python: folder(),
      // auto: where each job is placed. cpu and cuda refuse to run elsewhere.
      device: z.enum(["auto", "cpu", "cuda"], { error: "is not one of auto, cpu, cuda" }).default("auto"),
      // For suites that do not say it; auto: as the model's files are.
      torch_dtype: z
        .enum(["auto", "float32", "float16", "bfloat16"], {
          error: "is not one of auto, float32, float16, bfloat16",
        })
        .default("auto"),
      // The hub's cache, or the folder above it as in HF_HOME.
      cache_dir: folder(),
      // The share of a GPU's memory that weights and everything else may take.
      max_memory_per_gpu: z.number().positive().max(1).default(0.9),
      // Whether models that are not in the cache are fetched from the hub; otherwise nothing is asked of it.
      allow_download: z.boolean().default(false),
      // Whether a suite may run code that comes with a model (trust_remote_code).
      allow_remote_code: z.boolean().default(false),
      // Whether weights that come as pickle (pytorch_model.bin) are loaded; otherwise safetensors and GGUF only.
      allow_pickle: z.boolean().default(false),
      load_timeout: seconds(1800),
      // For downloads of models that need one.
      token: secret(),
      token_file: folder(),
    }),
    openai: section(remoteEngine("https://api.openai.com/v1")),
    anthropic: section(remoteEngine("https://api.anthropic.com")),
    // Servers that the agent starts on leased GPUs.
    vllm: section(servedEngine()),
    sglang: section(servedEngine()),
  }),
  storage: section({
    datasets_dir: folder(),
    ...unused("models are kept by their engines in this version", { models_dir: folder() }),
    ...unused("results are artifacts; set artifacts.dir", { results_dir: folder() }),
    ...unused("log files are named by logging.handlers", { logs_dir: folder() }),
    ...unused("temporary files lie beside their targets in this version", { temp_dir: folder() }),
  }),
  logging: section({
    level: z
      .string()
      .toLowerCase()
      .pipe(
        z.enum(["trace", "debug", "info", "warn", "warning", "error", "fatal", "critical"], {
          error: "is not one of trace debug info warn error fatal",
        }),
      )
      .optional(),
    format: z.literal("json", { error: 'can only be "json"' }).default("json"),
    ...unused("log files are not rotated in this version; use logrotate with copytruncate", {
      max_file_size: size().default("100MB"),
      backup_count: z.int().min(0).max(10_000).default(10),
    }),
    handlers: z.array(handler).max(16).default([]),
  }),
  security: section({
    ...unused(LATER_KEYS, { api_key_required: z.boolean().default(false), api_key: secret() }),
    insecure_network: z.boolean().default(false),
    rate_limiting: section(
      unused("this version limits no rates; a proxy can", {
        enabled: z.boolean().default(false),
        requests_per_minute: count(100),
        burst_size: count(20),
      }),
    ),
    cors: section(
      unused("this version has no browser API", {
        enabled: z.boolean().default(false),
        allowed_origins: z.array(z.string().max(256)).max(256).default([]),
      }),
    ),
  }),
  performance: section({
    ...unused("one machine's work is bounded by agent.cpu_slots and each engine's max_concurrent_requests", {
      max_workers: z.int().min(1).max(65_536).optional(),
      worker_timeout: seconds(1800),
    }),
    // Whether agents take answers of before where a suite asks for it (run.cache: deterministic), how long those count, in
    // seconds, and how much of the artifact store they may take.
    result_cache: z.boolean().default(true),
    result_cache_ttl: seconds(604_800),
    result_cache_quota: size().default("1GiB"),
    enable_metrics_collection: z.boolean().default(true),
  }),
  coordinator: section({
    host: z.string().min(1).max(253).default("127.0.0.1"),
    // Where other coordinators and agents reach this one; default: host, or this machine's name when that is 0.0.0.0.
    advertise_host: z.string().min(1).max(253).optional(),
    grpc_port: port(),
    agent_port: port(),
    http_port: port(),
    heartbeat_interval_ms: millis(10_000),
    suspect_after_intervals: count(3, 1000),
    lost_after_intervals: count(6, 1000),
    accept_deadline_ms: millis(5_000),
    commit_interval_ms: millis(8),
    outbox_max_messages: count(1000),
    outbox_max_bytes: count(4_194_304, 1_073_741_824),
    slow_peer_timeout_ms: millis(30_000),
    idempotency_ttl_ms: millis(604_800_000),
    brake_hold_ms: millis(60_000),
    recovery_hold_ms: millis(30_000),
    shutdown_timeout_ms: millis(30_000),
    // By name; one that is not named has weight 1 and no quota. Alike on every coordinator of a fleet.
    tenants: z.record(tenantName(), tenant).default({}),
  }),
  agent: section({
    id: name().optional(),
    // Any coordinator of the fleet says which one leads; with several named, the others are asked when one is gone.
    coordinator: addresses().optional(),
    data_dir: folder(),
    cpu_slots: z.int().min(0).max(65_536).optional(),
    test_devices: z.array(testDevice).max(1024).default([]),
    reconnect_base_ms: millis(100),
    reconnect_cap_ms: millis(5_000),
    journal_sync_ms: millis(1_000),
    journal_sync_samples: count(64),
    // Results that wait for the artifact store or the coordinator; from 80 % of it on the agent takes no
    // new work.
    spool_quota: size().default("1GiB"),
    // Plans, datasets and media from an artifact store on S3 or NFS, kept below data_dir for later attempts; 0: not at all.
    cache_quota: size().default("10GiB"),
    drain_timeout_ms: millis(25_000),
    // How the NVIDIA GPUs are seen: a path, or a name to look up in PATH. Named, its absence is a fault; off or empty: not at all.
    nvidia_smi: z.string().max(4096).default(NVIDIA_SMI),
    // From one look at what GPUs there are, or at what they do, to the next: each starts a program beside what is measured.
    gpu_look_interval_ms: z.int().min(1_000).max(604_800_000).default(60_000),
    // Where agents of one machine see which GPUs others have leased: the same for all of them, also in containers.
    gpu_lock_dir: folder(),
    // Of each GPU's memory this share is given out in parts (gpu_memory), to so many at most.
    gpu_memory_share: z.number().positive().max(1).default(0.9),
    gpu_parts: count(8, 64),
    gpu_sample_interval_ms: z.int().min(1_000).max(604_800_000).default(5_000),
    // While a GPU is leased; readings more than 10 s apart would say nothing of its energy.
    gpu_leased_sample_interval_ms: z.int().min(100).max(5_000).default(1_000),
  }),
  store: section({
    // What is agreed (campaigns, done records): in a folder, in etcd, or in memory and gone with the coordinator.
    kind: z
      .enum(["embedded", "etcd", "memory"], { error: "is not one of embedded, etcd, memory" })
      .default("embedded"),
    // The embedded store's folder, with nothing else in it; default: state below data_dir.
    path: folder(),
    // How much it takes; above 70 % no new campaigns are taken. etcd's own is --quota-backend-bytes: say it here too.
    quota: size().default("2GiB"),
    // etcd's members; any number of coordinators may name the same ones.
    endpoints: z
      .array(z.url({ protocol: /^https?$/, error: "is not an http or https URL" }))
      .max(9)
      .default([]),
    // The etcd user, which needs readwrite on /sai/v1/; without one etcd must ask for none.
    user: name().optional(),
    password: secret(),
    password_file: folder(),
    // PEM files for https:// endpoints; without ca_file the system's authorities count.
    ca_file: folder(),
    cert_file: folder(),
    key_file: folder(),
  }),
  artifacts: section({
    // Where what is big lies, alike for the coordinators and agents of a fleet: a folder, a folder on an NFS share (which
    // must be mounted; it is used from a process of its own, because a share that hangs holds up its user), or S3.
    kind: z.enum(["folder", "nfs", "s3"], { error: "is not one of folder, nfs, s3" }).default("folder"),
    // The folder; default: artifacts below data_dir.
    dir: folder(),
    // The S3 bucket, which must be there, and what its keys begin with.
    bucket: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$/, { error: "is not a bucket's name" })
      .optional(),
    prefix: z
      .string()
      .regex(/^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*\/?$/, { error: "is not a prefix such as sai or team/sai" })
      .optional(),
    // Of an S3 server that is not Amazon's.
    endpoint: z.url({ protocol: /^https?$/, error: "is not an http or https URL" }).optional(),
    region: name().default("us-east-1"),
    // ENDPOINT/BUCKET instead of BUCKET.ENDPOINT; default: true with an endpoint, which mostly has no names for buckets.
    force_path_style: z.boolean().optional(),
    // When the client adds and checks checksums of S3: Ceph and Swift refuse those that are not required. Every blob is
    // compared by SHA-256 either way.
    checksums: z
      .enum(["when_required", "when_supported"], { error: "is not one of when_required, when_supported" })
      .default("when_required"),
    // Who we are there: a key with its secret, or a file as the AWS tools write it, which is read again when what it said
    // is refused; without either the usual places (AWS_ACCESS_KEY_ID, AWS_PROFILE, a role of the machine).
    access_key_id: name().optional(),
    secret_access_key: secret(),
    secret_access_key_file: folder(),
    credentials_file: folder(),
    profile: name().default("default"),
  }),
  client: section({ address: address().optional() }),
  database: section({
    // The PostgreSQL server (14 or later) with the results index, what leaderboards and searches read; not set: one in the
    // coordinator's process, below data_dir.
    host: z.string().min(1).max(253).optional(),
    port: z.int().min(1).max(65_535).default(5432),
    // The database, which must be there; the index makes a schema of its own in it, sai_results. One fleet, one database.
    name: z.string().min(1).max(63).default("sai_benchmark"),
    user: z.string().min(1).max(63).default("sai_benchmark"),
    password: secret(),
    password_file: folder(),
    // require: encrypted, whoever the server is; verify: its certificate must be of an authority we know (ca_file).
    tls: z.enum(["off", "require", "verify"], { error: "is not one of off, require, verify" }).default("off"),
    ca_file: folder(),
    // Campaigns that ended so many days ago leave the index, not the artifact store; not set: none does.
    retention_days: z.number().positive().max(36_500).optional(),
  }),
});

/** The file after validation, defaults filled in. */
export type FileConfig = z.output<typeof fileSchema>;
