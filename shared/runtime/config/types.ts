/**
 * The resolved configuration: what the rest of the program sees. Every value is there, in one unit, with the unit in
 * its name; nobody but `load.ts` knows files, environment names or defaults.
 */

import type { Json } from "../../benchmark/json.js";

export interface Config {
  environment: string;
  debug: boolean;
  /** Distinguishes several instances on one machine. */
  instanceId: string | undefined;
  /** Folder everything local lives under unless a key says otherwise. */
  dataDir: string;
  resourceManager: ResourceManagerConfig;
  engines: EnginesConfig;
  storage: StorageConfig;
  logging: LoggingConfig;
  security: SecurityConfig;
  performance: PerformanceConfig;
  coordinator: CoordinatorConfig;
  agent: AgentConfig;
  store: StoreConfig;
  artifacts: ArtifactsConfig;
  client: { /** host:port of the sai.v1 API the command line talks to. */ address: string };
  database: DatabaseConfig;
}

/** Limits of one node; undefined means no limit. */
export interface ResourceManagerConfig {
  gpuMemoryLimitBytes: number | undefined;
  cpuCoreLimit: number | undefined;
  systemMemoryLimitBytes: number | undefined;
  /** That stay loaded beside those in use. */
  maxConcurrentModels: number;
  maxGpuLeases: number | undefined;
  allocationTimeoutMs: number;
  cleanupIntervalMs: number;
}

export interface EnginesConfig {
  ollama: OllamaConfig;
  huggingface: HuggingfaceConfig;
  openai: RemoteEngineConfig;
  anthropic: RemoteEngineConfig;
  vllm: ServedEngineConfig;
  sglang: ServedEngineConfig;
}

export interface OllamaConfig {
  /** URL of the shared server, without a trailing slash. */
  baseUrl: string;
  /** Of the program for managed servers: a path, or a name to look up in PATH. */
  path: string;
  /** Folder of its models. */
  modelsDir: string;
  /** For one request. */
  timeoutMs: number;
  maxRetries: number;
  healthCheckIntervalMs: number;
}

export interface HuggingfaceConfig {
  /** Path of the interpreter. */
  python: string;
  /** auto, cpu, cuda. */
  device: string;
  /** auto, float32, float16, bfloat16. */
  torchDtype: string;
  cacheDir: string | undefined;
  /** Share of a GPU's memory, 0 to 1. */
  maxMemoryPerGpu: number;
  allowDownload: boolean;
  allowRemoteCode: boolean;
  allowPickle: boolean;
  /** From the start of a worker until its model is loaded. */
  loadTimeoutMs: number;
  token: string | undefined;
}

export interface RemoteEngineConfig {
  baseUrl: string;
  /** The key itself, read from the environment or from `api_key_file`. */
  apiKey: string | undefined;
  timeoutMs: number;
  maxRetries: number;
  /** At once, of one agent. */
  maxConcurrentRequests: number;
  /** In any 60 s, of one agent; undefined means no limit. */
  rateLimitPerMinute: number | undefined;
  /** Of one agent on one day (UTC); undefined means no limit. */
  maxSpendUsd: number | undefined;
}

/** Servers that the agent starts on leased GPUs. */
export interface ServedEngineConfig {
  /** Undefined: the engine is off. */
  path: string | undefined;
  downloadDir: string | undefined;
  /** Share of each GPU's memory, 0 to 1. */
  gpuMemoryUtilization: number;
  loadTimeoutMs: number;
  /** More arguments, as they are. */
  args: readonly string[];
  /** Whether suites may ask for code that comes with a model. */
  trustRemoteCode: boolean;
  gpuIds: "auto" | "uuid" | "index";
}

export interface StorageConfig {
  modelsDir: string;
  /** Dataset paths of submitted suites resolve below it. */
  datasetsDir: string;
  resultsDir: string;
  logsDir: string;
  tempDir: string;
}

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal";

export interface LoggingConfig {
  level: LogLevel;
  format: "json";
  maxFileSizeBytes: number;
  backupCount: number;
  /** Empty: standard error. */
  handlers: LogHandlerConfig[];
}

export type LogHandlerConfig =
  | { type: "file"; filename: string }
  | { type: "stderr" }
  | { type: "syslog"; facility: string };

export interface SecurityConfig {
  apiKeyRequired: boolean;
  apiKey: string | undefined;
  /** Allows binding beyond loopback without TLS and keys. */
  insecureNetwork: boolean;
  rateLimiting: { enabled: boolean; requestsPerMinute: number; burstSize: number };
  cors: { enabled: boolean; allowedOrigins: string[] };
}

export interface PerformanceConfig {
  maxWorkers: number | undefined;
  workerTimeoutMs: number;
  /** The response cache: whether agents use it, for how long answers count, how many bytes it may have. */
  resultCache: boolean;
  resultCacheTtlMs: number;
  resultCacheQuotaBytes: number;
  enableMetricsCollection: boolean;
}

/** A port somebody asked for fails when it is taken; an implicit one moves to the next free port and says so. */
export interface Port {
  value: number;
  explicit: boolean;
}

export interface CoordinatorConfig {
  host: string;
  /** The host under which other coordinators and agents reach this one. */
  advertiseHost: string;
  grpcPort: Port;
  agentPort: Port;
  httpPort: Port;
  /** Agents add ± 20 %. */
  heartbeatIntervalMs: number;
  suspectAfterIntervals: number;
  lostAfterIntervals: number;
  /** An assignment not accepted within it is retracted. */
  acceptDeadlineMs: number;
  /** Done records are committed together this often. */
  commitIntervalMs: number;
  outboxMaxMessages: number;
  /** Bytes that may wait for one agent to read them. */
  outboxMaxBytes: number;
  /** A peer that does not drain its outbox for this long is closed. */
  slowPeerTimeoutMs: number;
  idempotencyTtlMs: number;
  /** What engaged the brake must be gone for so long before nodes may be declared lost again. */
  brakeHoldMs: number;
  /** After a restart shards of earlier plans wait at least so long for the nodes that may still run them. */
  recoveryHoldMs: number;
  /** On SIGTERM everything has ended within it. */
  shutdownTimeoutMs: number;
  /** By name; a tenant that is not named has weight 1 and no quota. */
  tenants: { readonly [name: string]: TenantConfig };
}

export interface TenantConfig {
  /** Share of the slots beside other tenants with work. */
  weight: number;
  /** Campaigns that have not ended; undefined means no limit. */
  maxCampaigns: number | undefined;
  /** Shards on nodes at once, those that wait there included; undefined means no limit. */
  maxRunningShards: number | undefined;
}

export interface StoreConfig {
  /** embedded: in a folder, for one coordinator; etcd: a cluster of its own; memory: gone with its process. */
  kind: "embedded" | "etcd" | "memory";
  /** The embedded store's folder; nothing else may be in it. */
  path: string;
  /** Of keys and values. Above 70 % no new campaigns are taken. For etcd what it was started with. */
  quotaBytes: number;
  /** For etcd: http:// or https:// URLs of its members, all of the same kind. */
  endpoints: readonly string[];
  /** The etcd user; undefined where etcd asks for none. */
  user: string | undefined;
  password: string | undefined;
  /** PEM files for https:// endpoints: the authority that signed them, and our own certificate with its key. */
  caFile: string | undefined;
  certFile: string | undefined;
  keyFile: string | undefined;
}

export interface ArtifactsConfig {
  kind: "folder" | "nfs" | "s3";
  /** Of kinds folder and nfs. */
  dir: string;
  /** The rest is of kind s3; there is a bucket then. */
  bucket: string | undefined;
  /** Empty, or ends with a slash. */
  prefix: string;
  /** URL without a trailing slash; undefined: Amazon's own. */
  endpoint: string | undefined;
  region: string;
  forcePathStyle: boolean;
  checksums: "when_required" | "when_supported";
  accessKeyId: string | undefined;
  secretAccessKey: string | undefined;
  /** As the AWS tools write it. */
  credentialsFile: string | undefined;
  profile: string;
}

export interface AgentConfig {
  /** Unique in the fleet. */
  id: string;
  /** host:port of a coordinator's agent port; several with commas between them where there are several coordinators. */
  coordinatorAddress: string;
  dataDir: string;
  cpuSlots: number;
  /** Devices that stand in for GPUs in tests. */
  testDevices: TestDeviceConfig[];
  reconnectBaseMs: number;
  reconnectCapMs: number;
  journalSyncMs: number;
  journalSyncSamples: number;
  /** Most bytes of results that wait for the artifact store or the coordinator; from 80 % of it on no new work is taken. */
  spoolQuotaBytes: number;
  /** Most bytes of inputs kept on the disk for later attempts; 0: none. */
  cacheQuotaBytes: number;
  /** On SIGTERM running work gets this long. */
  drainTimeoutMs: number;
  /** Path or name of nvidia-smi; empty: GPUs are not looked for. */
  nvidiaSmi: string;
  gpuLookIntervalMs: number;
  gpuSampleIntervalMs: number;
  /** Between two readings of telemetry while a GPU is leased. */
  gpuLeasedSampleIntervalMs: number;
  /** Folder of the whole machine with the locks of leased GPUs. */
  gpuLockDir: string;
  /** Share of a GPU's memory that is given out in parts, and parts of one GPU at most. */
  gpuMemoryShare: number;
  gpuParts: number;
}

export interface TestDeviceConfig {
  uuid: string;
  name: string;
  slots: number;
  memoryBytes: number;
}

/** Where the results index is kept. */
export interface DatabaseConfig {
  /** Of a PostgreSQL server; undefined: in the coordinator's process, below `dataDir`. */
  host: string | undefined;
  port: number;
  name: string;
  user: string;
  password: string | undefined;
  tls: "off" | "require" | "verify";
  /** PEM; undefined: the system's authorities. */
  caFile: string | undefined;
  /** Campaigns that ended longer ago are not in the index; undefined: all are. */
  retentionDays: number | undefined;
}

/** Where a value comes from. */
export type ConfigSource =
  | { kind: "flag" }
  | { kind: "environment"; name: string }
  | { kind: "file"; path: string; line: number }
  | { kind: "default" };

/** Sources by dotted key as in the file, such as `coordinator.http_port`; a key that is absent has its default. */
export type ConfigSources = ReadonlyMap<string, ConfigSource>;

/** Something to say about a value: an error in `problems`, information in `notices`. */
export interface ConfigProblem {
  /** Dotted key as in the file; empty if the whole file is concerned. */
  key: string;
  source: ConfigSource;
  message: string;
  /** What to do; may be empty. */
  hint: string;
}

export interface LoadConfigOptions {
  /** The file; otherwise SAI_CONFIG_PATH names it; otherwise there is none. */
  path?: string | undefined;
  env: { readonly [name: string]: string | undefined };
  /** Flags by dotted key as in the file; strings are read as in the environment; undefined means not given. */
  overrides?: { readonly [key: string]: Json | undefined };
  /** True where ports will be bound (coordinator, dev, demo): refuses a network that is open to others. */
  serving?: boolean;
  /** SAI_ names that are not configuration but known to the caller, so that they are not reported as unknown. */
  knownNames?: readonly string[];
}

export type LoadConfigResult =
  | { ok: true; config: Config; sources: ConfigSources; notices: ConfigProblem[] }
  | { ok: false; problems: ConfigProblem[]; notices: ConfigProblem[] };

/** One line of `sai doctor`. */
export interface ConfigRow {
  key: string;
  /** The value as text, `(hidden)` for a secret that is set, `(not set)`. */
  value: string;
  /** `default`, `flag`, `environment NAME` or `FILE:LINE`. */
  source: string;
}
