/** From the file's words and units to those of the program; fills the defaults that depend on other keys. */
import { availableParallelism, homedir, hostname, tmpdir } from "node:os";
import path from "node:path";
import type { FileConfig } from "./schema.js";
import type { Config, LogLevel, Port, RemoteEngineConfig, ServedEngineConfig } from "./types.js";

const GB = 1e9;
const MODELS_LOADED = 4;
const PORTS = { grpc: 50051, agent: 50052, http: 8080 };

/** Resolves a validated file. Relative folders stay relative to the working directory. */
export function resolveConfig(file: FileConfig): Config {
  const under = (...parts: string[]) => path.join(file.data_dir, ...parts);
  const { coordinator: c, agent: a, resource_manager: r } = file;
  const cores = Math.min(availableParallelism(), r.cpu_core_limit ?? Number.POSITIVE_INFINITY);
  return {
    environment: file.environment,
    debug: file.debug,
    instanceId: file.instance_id,
    dataDir: file.data_dir,
    resourceManager: {
      gpuMemoryLimitBytes: scaled(r.gpu_memory_limit, GB),
      cpuCoreLimit: r.cpu_core_limit,
      systemMemoryLimitBytes: scaled(r.system_memory_limit, GB),
      maxConcurrentModels: r.max_concurrent_models ?? MODELS_LOADED,
      maxGpuLeases: r.max_concurrent_models,
      allocationTimeoutMs: r.allocation_timeout * 1000,
      cleanupIntervalMs: r.cleanup_interval * 1000,
    },
    engines: engines(file.engines, file.data_dir),
    storage: {
      modelsDir: file.storage.models_dir ?? under("models"),
      datasetsDir: file.storage.datasets_dir ?? under("datasets"),
      resultsDir: file.storage.results_dir ?? under("results"),
      logsDir: file.storage.logs_dir ?? under("logs"),
      tempDir: file.storage.temp_dir ?? under("temp"),
    },
    logging: {
      level: logLevel(file.logging.level ?? (file.debug ? "debug" : "info")),
      format: "json",
      maxFileSizeBytes: bytes(file.logging.max_file_size),
      backupCount: file.logging.backup_count,
      handlers: file.logging.handlers,
    },
    security: {
      apiKeyRequired: file.security.api_key_required,
      apiKey: file.security.api_key,
      insecureNetwork: file.security.insecure_network,
      rateLimiting: {
        enabled: file.security.rate_limiting.enabled,
        requestsPerMinute: file.security.rate_limiting.requests_per_minute,
        burstSize: file.security.rate_limiting.burst_size,
      },
      cors: {
        enabled: file.security.cors.enabled,
        allowedOrigins: file.security.cors.allowed_origins,
      },
    },
    performance: {
      maxWorkers: file.performance.max_workers,
      workerTimeoutMs: file.performance.worker_timeout * 1000,
      resultCache: file.performance.result_cache,
      resultCacheQuotaBytes: bytes(file.performance.result_cache_quota),
      resultCacheTtlMs: file.performance.result_cache_ttl * 1000,
      enableMetricsCollection: file.performance.enable_metrics_collection,
    },
    coordinator: {
      host: c.host,
      advertiseHost: c.advertise_host ?? (isAnyAddress(c.host) ? hostname() : c.host),
      grpcPort: portOf(c.grpc_port, PORTS.grpc),
      agentPort: portOf(c.agent_port, PORTS.agent),
      httpPort: portOf(c.http_port, PORTS.http),
      heartbeatIntervalMs: c.heartbeat_interval_ms,
      suspectAfterIntervals: c.suspect_after_intervals,
      lostAfterIntervals: c.lost_after_intervals,
      acceptDeadlineMs: c.accept_deadline_ms,
      commitIntervalMs: c.commit_interval_ms,
      outboxMaxMessages: c.outbox_max_messages,
      outboxMaxBytes: c.outbox_max_bytes,
      slowPeerTimeoutMs: c.slow_peer_timeout_ms,
      idempotencyTtlMs: c.idempotency_ttl_ms,
      brakeHoldMs: c.brake_hold_ms,
      recoveryHoldMs: c.recovery_hold_ms,
      shutdownTimeoutMs: c.shutdown_timeout_ms,
      tenants: Object.fromEntries(
        Object.entries(c.tenants).map(([name, { weight, max_campaigns, max_running_shards }]) => [
          name,
          { weight, maxCampaigns: max_campaigns, maxRunningShards: max_running_shards },
        ]),
      ),
    },
    agent: {
      id: a.id ?? agentId(file.instance_id),
      coordinatorAddress: a.coordinator ?? `127.0.0.1:${c.agent_port ?? PORTS.agent}`,
      dataDir: a.data_dir ?? under("agent"),
      cpuSlots: a.cpu_slots ?? Math.max(1, cores - 1),
      testDevices: a.test_devices.map((d) => ({
        uuid: d.uuid,
        name: d.name,
        slots: d.slots,
        memoryBytes: d.memory_gb * GB,
      })),
      reconnectBaseMs: a.reconnect_base_ms,
      reconnectCapMs: a.reconnect_cap_ms,
      journalSyncMs: a.journal_sync_ms,
      journalSyncSamples: a.journal_sync_samples,
      spoolQuotaBytes: bytes(a.spool_quota),
      cacheQuotaBytes: bytes(a.cache_quota),
      drainTimeoutMs: a.drain_timeout_ms,
      nvidiaSmi: a.nvidia_smi === "off" ? "" : a.nvidia_smi,
      gpuLookIntervalMs: a.gpu_look_interval_ms,
      gpuSampleIntervalMs: a.gpu_sample_interval_ms,
      gpuLeasedSampleIntervalMs: a.gpu_leased_sample_interval_ms,
      gpuLockDir: a.gpu_lock_dir ?? path.join(tmpdir(), "sai-gpu-locks"),
      ...{ gpuMemoryShare: a.gpu_memory_share, gpuParts: a.gpu_parts },
    },
    store: {
      kind: file.store.kind,
      path: file.store.path ?? under("state"),
      quotaBytes: bytes(file.store.quota),
      endpoints: file.store.endpoints.map(withoutSlash),
      ...{ user: file.store.user, password: file.store.password },
      ...{ caFile: file.store.ca_file, certFile: file.store.cert_file, keyFile: file.store.key_file },
    },
    artifacts: artifacts(file.artifacts, under("artifacts")),
    client: { address: file.client.address ?? `127.0.0.1:${c.grpc_port ?? PORTS.grpc}` },
    database: {
      ...{ host: file.database.host, port: file.database.port, name: file.database.name },
      ...{ user: file.database.user, password: file.database.password },
      ...{ tls: file.database.tls, caFile: file.database.ca_file },
      retentionDays: file.database.retention_days,
    },
  };
}

function artifacts(file: FileConfig["artifacts"], dir: string): Config["artifacts"] {
  const { prefix, endpoint } = file;
  return {
    ...{ kind: file.kind, dir: file.dir ?? dir, bucket: file.bucket, region: file.region },
    prefix: prefix === undefined ? "" : `${withoutSlash(prefix)}/`,
    endpoint: endpoint === undefined ? undefined : withoutSlash(endpoint),
    forcePathStyle: file.force_path_style ?? endpoint !== undefined,
    checksums: file.checksums,
    ...{ accessKeyId: file.access_key_id, secretAccessKey: file.secret_access_key },
    ...{ credentialsFile: file.credentials_file, profile: file.profile },
  };
}

/** Whether a server bound to it listens on all of the machine's addresses. */
const isAnyAddress = (host: string): boolean => ["0.0.0.0", "::", "[::]"].includes(host);

function engines(file: FileConfig["engines"], dataDir: string): Config["engines"] {
  return {
    ollama: {
      baseUrl: withoutSlash(file.ollama.base_url),
      path: file.ollama.path,
      modelsDir: file.ollama.models_dir ?? path.join(homedir(), ".ollama", "models"),
      timeoutMs: file.ollama.timeout * 1000,
      maxRetries: file.ollama.max_retries,
      healthCheckIntervalMs: file.ollama.health_check_interval * 1000,
    },
    huggingface: {
      python: file.huggingface.python ?? path.join(dataDir, "python", "huggingface", "bin", "python"),
      device: file.huggingface.device,
      torchDtype: file.huggingface.torch_dtype,
      cacheDir: file.huggingface.cache_dir,
      maxMemoryPerGpu: file.huggingface.max_memory_per_gpu,
      allowDownload: file.huggingface.allow_download,
      allowRemoteCode: file.huggingface.allow_remote_code,
      allowPickle: file.huggingface.allow_pickle,
      loadTimeoutMs: file.huggingface.load_timeout * 1000,
      token: file.huggingface.token,
    },
    openai: remote(file.openai),
    anthropic: remote(file.anthropic),
    vllm: served(file.vllm, file.huggingface.cache_dir),
    sglang: served(file.sglang, file.huggingface.cache_dir),
  };
}

function remote(file: FileConfig["engines"]["openai"]): RemoteEngineConfig {
  return {
    baseUrl: withoutSlash(file.base_url),
    apiKey: file.api_key,
    timeoutMs: file.timeout * 1000,
    maxRetries: file.max_retries,
    maxConcurrentRequests: file.max_concurrent_requests,
    rateLimitPerMinute: file.rate_limit_per_minute,
    maxSpendUsd: file.max_spend_usd,
  };
}

const served = (file: FileConfig["engines"]["vllm"], cacheDir: string | undefined): ServedEngineConfig => ({
  path: file.path,
  downloadDir: file.download_dir ?? cacheDir,
  gpuMemoryUtilization: file.gpu_memory_utilization,
  loadTimeoutMs: file.load_timeout * 1000,
  args: file.args,
  trustRemoteCode: file.trust_remote_code,
  gpuIds: file.gpu_ids,
});

const scaled = (value: number | undefined, by: number) => (value === undefined ? undefined : value * by);
const withoutSlash = (url: string) => url.replace(/\/+$/, "");
const portOf = (value: number | undefined, byDefault: number): Port => ({
  value: value ?? byDefault,
  explicit: value !== undefined,
});

function logLevel(word: NonNullable<FileConfig["logging"]["level"]>): LogLevel {
  if (word === "warning") return "warn";
  return word === "critical" ? "fatal" : word;
}

/** The machine's name, made a valid id; several instances on one machine need `instance_id`. */
function agentId(instanceId: string | undefined): string {
  const host =
    hostname()
      .replace(/[^A-Za-z0-9._-]/g, "-")
      .slice(0, 63) || "node";
  return instanceId === undefined ? host : `${host}-${instanceId}`.slice(0, 128);
}

const UNIT_BYTES: { [unit: string]: number } = {
  "": 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
};

/** Bytes of `4096`, `"100MB"` (decimal) or `"1GiB"` (binary). */
export function bytes(size: number | string): number {
  if (typeof size === "number") return size;
  const [, digits = "0", unit = ""] = /^\s*([\d.]+)\s*(\w*)\s*$/.exec(size) ?? [];
  return Math.round(Number(digits) * (UNIT_BYTES[unit.toLowerCase()] ?? 1));
}
