/** The deployment guide's example file and environment load as they are written there. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { describeConfig, formatProblem, loadConfig } from "../config.js";

const PRODUCTION_YAML = `# Production SAI-Benchmark Configuration
environment: production
debug: false

# Resource Management
resource_manager:
  gpu_memory_limit: 80.0        # GB (total across all GPUs)
  cpu_core_limit: 32            # CPU cores
  system_memory_limit: 128.0    # GB
  max_concurrent_models: 4      # Simultaneous model instances
  allocation_timeout: 120       # Seconds
  cleanup_interval: 300         # Seconds

# Engine Configuration
engines:
  ollama:
    base_url: "http://localhost:11434"
    timeout: 300
    max_retries: 3
    health_check_interval: 60
  
  huggingface:
    device: "auto"
    torch_dtype: "float16"
    cache_dir: "/opt/sai-benchmark/models"
    max_memory_per_gpu: 0.9
  
  # TODO: Configure OpenAI engine when implemented
  # openai:
  #   api_key: "\${OPENAI_API_KEY}"
  #   max_concurrent_requests: 50
  #   rate_limit_per_minute: 500

# Storage Configuration
storage:
  models_dir: "/opt/sai-benchmark/models"
  datasets_dir: "/opt/sai-benchmark/datasets"
  results_dir: "/opt/sai-benchmark/results"
  logs_dir: "/opt/sai-benchmark/logs"
  temp_dir: "/tmp/sai-benchmark"

# Logging Configuration
logging:
  level: "INFO"
  format: "json"
  max_file_size: "100MB"
  backup_count: 10
  handlers:
    - type: "file"
      filename: "/opt/sai-benchmark/logs/application.log"
    - type: "syslog"
      facility: "local0"

# Security Configuration
security:
  api_key_required: true
  rate_limiting:
    enabled: true
    requests_per_minute: 100
    burst_size: 20
  cors:
    enabled: true
    allowed_origins: ["https://yourdomain.com"]

# Performance Configuration
performance:
  max_workers: 8
  worker_timeout: 1800          # 30 minutes
  result_cache_ttl: 3600        # 1 hour
  enable_metrics_collection: true
`;

/** Line from 1 of the first line that holds `text`. */
const lineOf = (text: string) => PRODUCTION_YAML.split("\n").findIndex((line) => line.includes(text)) + 1;

const PRODUCTION_ENV = {
  SAI_ENV: "production",
  SAI_LOG_LEVEL: "INFO",
  SAI_API_HOST: "0.0.0.0",
  SAI_API_PORT: "8080",
  SAI_API_KEY: "your-secure-api-key-here",
  SAI_DB_HOST: "localhost",
  SAI_DB_PORT: "5432",
  SAI_DB_NAME: "sai_benchmark",
  SAI_DB_USER: "sai_benchmark",
  SAI_DB_PASSWORD: "secure-password-here",
  OLLAMA_HOST: "http://localhost:11434",
  HF_HOME: "/opt/sai-benchmark/models",
  HF_TOKEN: "your-huggingface-token",
  PROMETHEUS_ENDPOINT: "http://localhost:9090",
  GRAFANA_URL: "http://localhost:3000",
};

let dir: string;
let SAI_CONFIG_PATH: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), "sai-config-"));
  SAI_CONFIG_PATH = path.join(dir, "production.yaml");
  writeFileSync(SAI_CONFIG_PATH, PRODUCTION_YAML);
});
afterEach(() => rmSync(dir, { recursive: true }));

function load(env: { [name: string]: string }, serving = false) {
  const loaded = loadConfig({ env: { ...env, SAI_CONFIG_PATH }, serving });
  if (!loaded.ok) throw new Error(loaded.problems.map(formatProblem).join("\n"));
  return loaded;
}

test("the file means what it says", () => {
  const { config } = load({});
  expect(config).toMatchObject({
    environment: "production",
    debug: false,
    resourceManager: {
      gpuMemoryLimitBytes: 80e9,
      cpuCoreLimit: 32,
      systemMemoryLimitBytes: 128e9,
      maxConcurrentModels: 4,
      allocationTimeoutMs: 120_000,
      cleanupIntervalMs: 300_000,
    },
    engines: {
      ollama: {
        baseUrl: "http://localhost:11434",
        timeoutMs: 300_000,
        maxRetries: 3,
        healthCheckIntervalMs: 60_000,
      },
      huggingface: { device: "auto", torchDtype: "float16", maxMemoryPerGpu: 0.9 },
    },
    storage: { datasetsDir: "/opt/sai-benchmark/datasets", tempDir: "/tmp/sai-benchmark" },
    logging: {
      level: "info",
      maxFileSizeBytes: 100e6,
      backupCount: 10,
      handlers: [
        { type: "file", filename: "/opt/sai-benchmark/logs/application.log" },
        { type: "syslog", facility: "local0" },
      ],
    },
    security: {
      apiKeyRequired: true,
      rateLimiting: { enabled: true, requestsPerMinute: 100, burstSize: 20 },
      cors: { enabled: true, allowedOrigins: ["https://yourdomain.com"] },
    },
    performance: { maxWorkers: 8, workerTimeoutMs: 1_800_000, resultCacheTtlMs: 3_600_000 },
    coordinator: { host: "127.0.0.1", httpPort: { value: 8080, explicit: false } },
  });
});

test("the environment means what it says", () => {
  const { config } = load(PRODUCTION_ENV);
  expect(config).toMatchObject({
    coordinator: { host: "0.0.0.0", httpPort: { value: 8080, explicit: true } },
    security: { apiKey: "your-secure-api-key-here" },
    database: { host: "localhost", port: 5432, user: "sai_benchmark", password: "secure-password-here" },
    engines: { huggingface: { cacheDir: "/opt/sai-benchmark/models", token: "your-huggingface-token" } },
  });
});

test("whatever has no effect yet is said, with its place", () => {
  const said = load(PRODUCTION_ENV).notices.map(formatProblem);
  expect(said).toContain(
    `${SAI_CONFIG_PATH}:${lineOf("api_key_required")}: security.api_key_required: accepted, not used yet, ` +
      "this version has no API keys; keep it on loopback or behind a proxy that checks them",
  );
  const keys = said.map((line) => line.slice(0, line.indexOf(": accepted")));
  expect(keys).toEqual(
    expect.arrayContaining([
      `${SAI_CONFIG_PATH}:${lineOf('"syslog"')}: logging.handlers.1`,
      `${SAI_CONFIG_PATH}:${lineOf("enabled: true")}: security.rate_limiting.enabled`,
      "environment PROMETHEUS_ENDPOINT",
    ]),
  );
  expect(said.join()).not.toContain("secure-password-here");
  expect(said.join()).not.toContain("unknown");
});

test("what is used is not said to be unused", () => {
  const keys = load(PRODUCTION_ENV).notices.map((notice) => notice.key);
  for (const used of ["environment", "engines.ollama.base_url", "storage.datasets_dir", "logging.level"]) {
    expect(keys).not.toContain(used);
  }
});

test("serving on every address needs TLS and keys or an explicit word", () => {
  expect(() => load(PRODUCTION_ENV, true)).toThrow(
    "environment SAI_API_HOST: coordinator.host: 0.0.0.0 is reachable by other machines, and this version has neither TLS nor keys, use 127.0.0.1",
  );
  const open = load({ ...PRODUCTION_ENV, SAI_SECURITY_INSECURE_NETWORK: "true" }, true);
  expect(open.notices.map(formatProblem)).toContain(
    "environment SAI_API_HOST: coordinator.host: 0.0.0.0 is reachable by other machines, and this version has neither TLS nor keys, allowed by security.insecure_network",
  );
  expect(load({}, true).notices.map((notice) => notice.key)).not.toContain("coordinator.host");
});

test("sai doctor's rows hide every secret and name every source", () => {
  const { config, sources } = load(PRODUCTION_ENV);
  const rows = describeConfig(config, sources);
  const row = (key: string) => rows.find((one) => one.key === key);
  expect(row("database.password")).toEqual({
    key: "database.password",
    value: "(hidden)",
    source: "environment SAI_DB_PASSWORD",
  });
  expect(row("logging.backup_count")).toEqual({
    key: "logging.backup_count",
    value: "10",
    source: `${SAI_CONFIG_PATH}:${lineOf("backup_count")}`,
  });
  expect(row("engines.openai.api_key")?.value).toBe("(not set)");
  expect(row("coordinator.grpc_port")).toEqual({
    key: "coordinator.grpc_port",
    value: "50051 (or the next free one)",
    source: "default",
  });
  const text = JSON.stringify(rows);
  for (const secret of ["secure-password-here", "your-secure-api-key-here", "your-huggingface-token"]) {
    expect(text).not.toContain(secret);
  }
});
