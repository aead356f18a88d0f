import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defaultConfig, describeConfig, formatProblem, isLoopback, loadConfig } from "../config.js";
import { systematicName } from "./environment.js";
import { leaves } from "./leaves.js";
import type { LoadConfigOptions } from "./types.js";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), "sai-config-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

function file(text: string | Uint8Array): string {
  const at = path.join(dir, "sai.yaml");
  writeFileSync(at, text);
  return at;
}

/** The problems as text, the folder's name left out. */
function problems(options: Partial<LoadConfigOptions>): string[] {
  const loaded = loadConfig({ env: {}, ...options });
  return loaded.ok ? [] : loaded.problems.map((p) => formatProblem(p).replace(`${dir}/`, ""));
}

function config(options: Partial<LoadConfigOptions>) {
  const loaded = loadConfig({ env: {}, ...options });
  if (!loaded.ok) throw new Error(loaded.problems.map(formatProblem).join("\n"));
  return loaded.config;
}

describe("precedence", () => {
  test("flag over environment over file over default", () => {
    const at = file("coordinator:\n  http_port: 1001\n  grpc_port: 1002\n  agent_port: 1003\n");
    const loaded = loadConfig({
      path: at,
      env: { SAI_COORDINATOR_GRPC_PORT: "2002", SAI_COORDINATOR_AGENT_PORT: "2003" },
      overrides: { "coordinator.agent_port": 3003, "coordinator.http_port": undefined },
    });
    if (!loaded.ok) throw new Error("not ok");
    expect(loaded.config.coordinator).toMatchObject({
      httpPort: { value: 1001, explicit: true },
      grpcPort: { value: 2002, explicit: true },
      agentPort: { value: 3003, explicit: true },
      host: "127.0.0.1",
    });
    expect([...loaded.sources]).toEqual([
      ["coordinator.http_port", { kind: "file", path: at, line: 2 }],
      ["coordinator.grpc_port", { kind: "environment", name: "SAI_COORDINATOR_GRPC_PORT" }],
      ["coordinator.agent_port", { kind: "flag" }],
    ]);
    expect(loaded.config.agent.coordinatorAddress).toBe("127.0.0.1:3003");
    expect(loaded.config.client.address).toBe("127.0.0.1:2002");
  });

  test("GPUs are not looked for where a file or a variable says off, or a file says nothing in quotes", () => {
    expect(config({ env: { SAI_AGENT_NVIDIA_SMI: "off" } }).agent.nvidiaSmi).toBe("");
    expect(config({ path: file("agent:\n  nvidia_smi: off\n") }).agent.nvidiaSmi).toBe("");
    expect(config({ path: file('agent:\n  nvidia_smi: ""\n') }).agent.nvidiaSmi).toBe("");
    expect(config({ env: { SAI_AGENT_NVIDIA_SMI: "" } }).agent.nvidiaSmi).toBe("nvidia-smi");
    expect(problems({ env: { SAI_AGENT_GPU_SAMPLE_INTERVAL_MS: "1" } })).toHaveLength(1);
  });

  test("the systematic name wins over the tool's own; an empty variable is not set", () => {
    const env = { OLLAMA_HOST: "a", SAI_ENGINES_OLLAMA_BASE_URL: "http://b:1", SAI_LOG_LEVEL: "" };
    expect(config({ env }).engines.ollama.baseUrl).toBe("http://b:1");
    expect(config({ env }).logging.level).toBe("info");
  });

  test("debug lowers the level unless one is set", () => {
    expect(config({ env: { SAI_DEBUG: "1" } }).logging.level).toBe("debug");
    expect(config({ env: { SAI_DEBUG: "1", SAI_LOG_LEVEL: "WARNING" } }).logging.level).toBe("warn");
  });

  test("folders follow data_dir", () => {
    const { agent, artifacts, storage, store } = config({
      overrides: { data_dir: "/d", "agent.data_dir": "/e" },
    });
    expect([agent.dataDir, artifacts.dir, storage.datasetsDir, store.path]).toEqual([
      "/e",
      "/d/artifacts",
      "/d/datasets",
      "/d/state",
    ]);
    expect(defaultConfig()).toMatchObject({
      dataDir: ".sai",
      artifacts: { dir: ".sai/artifacts" },
      agent: { dataDir: ".sai/agent" },
      storage: { datasetsDir: ".sai/datasets" },
    });
  });

  test("SAI_INSTANCE_ID keeps two agents on one machine apart", () => {
    const [one, two] = ["1", "2"].map((id) => config({ env: { SAI_INSTANCE_ID: id } }).agent.id);
    expect(one).toMatch(/-1$/);
    expect(two).not.toBe(one);
  });
});

describe("every key", () => {
  /** A valid value that is not the default, as the environment would hold it. */
  const VALUES: { [key: string]: string } = {
    "agent.gpu_look_interval_ms": "7000",
    "agent.gpu_sample_interval_ms": "7000",
    "agent.gpu_leased_sample_interval_ms": "500",
    "logging.format": "json",
    "logging.level": "error",
    "logging.handlers": '[{"type":"stderr"}]',
    "agent.test_devices": '[{"uuid":"T-1"}]',
    "coordinator.tenants": '{"vision":{"weight":3}}',
    "agent.coordinator": "host:1",
    "client.address": "[::1]:1",
    "store.kind": "memory",
    "store.endpoints": "http://a:1, http://b:1",
    "artifacts.kind": "s3",
    "artifacts.bucket": "results",
    "artifacts.endpoint": "http://a:1",
    "artifacts.checksums": "when_supported",
    "engines.huggingface.device": "cpu",
    "engines.huggingface.torch_dtype": "bfloat16",
    "engines.huggingface.max_memory_per_gpu": "0.5",
    "agent.gpu_memory_share": "0.5",
    "engines.vllm.gpu_memory_utilization": "0.5",
    "database.tls": "require",
    "engines.vllm.gpu_ids": "index",
    "engines.sglang.gpu_memory_utilization": "0.5",
    "engines.sglang.gpu_ids": "index",
  };
  /** Keys that go together. */
  const WITH: { [key: string]: { [name: string]: string } } = {
    "store.endpoints": { SAI_STORE_KIND: "etcd" },
    "store.user": { SAI_STORE_PASSWORD: "secret" },
    "store.password": { SAI_STORE_USER: "sai" },
    "artifacts.kind": { SAI_ARTIFACTS_BUCKET: "results" },
    "artifacts.bucket": { SAI_ARTIFACTS_KIND: "s3" },
    "artifacts.endpoint": { SAI_ARTIFACTS_KIND: "s3", SAI_ARTIFACTS_BUCKET: "results" },
    "artifacts.access_key_id": { SAI_ARTIFACTS_SECRET_ACCESS_KEY: "secret" },
    "artifacts.secret_access_key": { SAI_ARTIFACTS_ACCESS_KEY_ID: "sai" },
  };
  const byType = { number: "7", boolean: "true", list: "a, b", text: "7" };

  test.each(
    [...leaves.values()].filter((leaf) => !leaf.key.endsWith("_file")),
  )("$key can be set by its systematic name and is shown by doctor", (leaf) => {
    const text = VALUES[leaf.key] ?? (leaf.key.endsWith("base_url") ? "http://u:7/" : byType[leaf.type]);
    const name = systematicName(leaf.key);
    const env = { SAI_DB_HOST: "h", ...WITH[leaf.key], [name]: text };
    const loaded = loadConfig({ env });
    if (!loaded.ok) throw new Error(loaded.problems.map(formatProblem).join("\n"));
    const row = describeConfig(loaded.config, loaded.sources).find((one) => one.key === leaf.key);
    expect(row?.source).toBe(`environment ${name}`);
    expect(row?.value).not.toBe("(not set)");
    const unset = loadConfig({ env: { SAI_DB_HOST: "h" } });
    if (!unset.ok) throw new Error("defaults do not load");
    const before = describeConfig(unset.config, unset.sources).find((one) => one.key === leaf.key);
    const fixed = [
      "logging.format",
      "artifacts.kind",
      "performance.enable_metrics_collection",
      "performance.result_cache",
    ];
    if (!fixed.includes(leaf.key)) expect(row?.value).not.toBe(before?.value);
  });
});

describe("problems", () => {
  test("all at once, each with file and line", () => {
    const path = file(
      "enviroment: production\ncoordinator:\n  http_port: eighty\n  agent_port: 70000\n  base_url: x\n" +
        "logging:\n  level: LOUD\n  handlers:\n    - type: file\n    - type: pigeon\nengines: 3\n",
    );
    expect(
      problems({ path, env: { SAI_AGENT_CPU_SLOTS: "-1" }, overrides: { "coordinator.htp_port": 1 } }),
    ).toEqual([
      'flag: coordinator.htp_port: unknown key, did you mean "coordinator.http_port"?',
      'sai.yaml:1: enviroment: unknown key, did you mean "environment"?',
      'sai.yaml:3: coordinator.http_port: is not a number, got "eighty"',
      "sai.yaml:4: coordinator.agent_port: is above the largest allowed (65535), got 70000",
      'sai.yaml:5: coordinator.base_url: unknown key, did you mean "engines.ollama.base_url"?',
      'sai.yaml:7: logging.level: is not one of trace debug info warn error fatal, got "LOUD"',
      "sai.yaml:9: logging.handlers.0.filename: is not text, got nothing",
      'sai.yaml:10: logging.handlers.1.type: is not one of file, stderr, syslog, got "pigeon"',
      "sai.yaml:11: engines: is not a mapping, got 3",
      "environment SAI_AGENT_CPU_SLOTS: agent.cpu_slots: is below the smallest allowed (0), got -1",
    ]);
  });

  test.each<[string, string | Uint8Array, string]>([
    ["not YAML", "a: b: c", "sai.yaml:1: is not valid YAML: bad indentation of a mapping entry"],
    ["a list", "- 1", "sai.yaml:1: is not a mapping of sections"],
    ["two documents", "debug: true\n---\ndebug: false", "sai.yaml: holds more than one document"],
    ["a duplicate key", "debug: true\ndebug: false", "sai.yaml:2: is not valid YAML: duplicated mapping key"],
    ["an alias", "environment: &a x\nagent:\n  id: *a", "sai.yaml:3: is not valid YAML: aliases exceeded"],
    ["depth", `agent: ${"[".repeat(5000)}`, "sai.yaml:1: is not valid YAML: nesting exceeded maxDepth (32)"],
    ["size", `# ${"x".repeat(256 * 1024)}`, "sai.yaml: is larger than 262144 bytes"],
    ["UTF-16", Buffer.from("\ufeffdebug: true", "utf16le"), "sai.yaml: is not UTF-8"],
    ["a byte order mark", "\ufeffdebug: true", "sai.yaml: is not UTF-8"],
    ["broken UTF-8", Buffer.from([0x61, 0x3a, 0xff]), "sai.yaml: is not UTF-8"],
    [
      "a quota that is not kept",
      "coordinator:\n  tenants:\n    a: {max_gpu_hours: 3}",
      "sai.yaml:3: coordinator.tenants.a.max_gpu_hours: is no quota of this version: GPU hours are counted",
    ],
    ["a prototype", "__proto__:\n  debug: true", "sai.yaml:1: __proto__: unknown key"],
    [
      "not a number",
      "engines: {ollama: {timeout: .nan}}",
      "sai.yaml:1: engines.ollama.timeout: is not a number",
    ],
  ])("%s is refused", (_what, text, said) => {
    const found = problems({ path: file(text) });
    expect(found).toHaveLength(1);
    expect(found[0]?.startsWith(said)).toBe(true);
  });

  test("a file that is not there, or is a folder", () => {
    expect(problems({ path: path.join(dir, "none.yaml") })[0]).toMatch(/none\.yaml: cannot be read: ENOENT/);
    expect(problems({ env: { SAI_CONFIG_PATH: dir } })[0]).toContain("cannot be read: it is not a file");
  });

  test("an empty file, a comment, an empty section and an empty value set nothing", () => {
    for (const text of ["", "# nothing\n", "engines:\n  openai:\n", "agent:\n  id:\n"]) {
      expect(config({ path: file(text) })).toEqual(defaultConfig());
    }
  });

  test("a secret's value is in no problem", () => {
    const secret = "s".repeat(9000);
    const found = problems({ env: { OPENAI_API_KEY: secret } });
    expect(found).toHaveLength(1);
    expect(found[0]).toContain("environment OPENAI_API_KEY: engines.openai.api_key:");
    expect(found[0]).not.toContain("sss");
  });
});

describe("a reference to a variable in the file", () => {
  const text = `engines:\n  openai:\n    api_key: "\${KEY}"\n    max_retries: "\${N}"\n`;
  test("is the variable's value, with the key's type", () => {
    const { openai } = config({ path: file(text), env: { KEY: "k-1", N: "5" } }).engines;
    expect(openai).toMatchObject({ apiKey: "k-1", maxRetries: 5 });
  });

  test("that is not set, or only a part of a value, is refused", () => {
    expect(problems({ path: file(`${text}agent:\n  id: "a-\${N}"\n`), env: { KEY: "k" } })).toEqual([
      "sai.yaml:4: engines.openai.max_retries: names the environment variable N, which is not set, set N",
      `sai.yaml:6: agent.id: holds \${ as a part of its value, only a whole value can be a reference, such as \${OPENAI_API_KEY}`,
    ]);
  });
});

describe("api_key_file", () => {
  test("is read and trimmed; the row names where it was set", () => {
    const key = path.join(dir, "key");
    writeFileSync(key, "k-1\n");
    const overrides = { "engines.openai.api_key_file": key };
    expect(config({ overrides }).engines.openai.apiKey).toBe("k-1");
    const loaded = loadConfig({ env: {}, overrides });
    if (!loaded.ok) throw new Error("not ok");
    expect(describeConfig(loaded.config, loaded.sources)).toContainEqual({
      key: "engines.openai.api_key",
      value: "(hidden)",
      source: "flag",
    });
  });

  test("missing, empty, or beside api_key is refused", () => {
    const empty = path.join(dir, "empty");
    writeFileSync(empty, "\n");
    const set = (at: string) => ({ "engines.openai.api_key_file": at });
    expect(problems({ overrides: set("/none/x") })[0]).toContain(
      "engines.openai.api_key_file: cannot be read: ENOENT",
    );
    expect(problems({ overrides: set(empty) })[0]).toContain("is empty");
    expect(problems({ overrides: set(empty), env: { OPENAI_API_KEY: "k" } })[0]).toContain(
      "given beside api_key",
    );
  });
});

describe("how etcd is reached", () => {
  const etcd = (more: { [key: string]: unknown }) =>
    problems({ overrides: { "store.kind": "etcd", "store.endpoints": ["http://a:1"], ...more } });

  test.each([
    [{ "store.endpoints": [] }, "store.endpoints: names no member of etcd"],
    [{ "store.kind": "embedded" }, "store.endpoints: is not used by the embedded store"],
    [{ "store.endpoints": ["http://a:1", "https://b:1"] }, "store.endpoints: mixes http:// and https://"],
    [{ "store.endpoints": ["a:1"] }, "is not an http or https URL"],
    [{ "store.user": "u" }, "store.password: is missing beside store.user"],
    [{ "store.cert_file": "/c.pem" }, "store.key_file: is missing beside store.cert_file"],
  ])("%j is refused", (more, message) => {
    expect(etcd(more)[0]).toContain(message);
  });

  test("a user with a password from a file", () => {
    const file = path.join(dir, "password");
    writeFileSync(file, "p\n");
    const overrides = { "store.kind": "etcd", "store.endpoints": ["http://a:1/"], "store.user": "u" };
    const { store } = config({ overrides: { ...overrides, "store.password_file": file } });
    expect(store).toMatchObject({ kind: "etcd", endpoints: ["http://a:1"], user: "u", password: "p" });
  });
});

describe("variables nobody reads", () => {
  const notices = (env: { [name: string]: string }, knownNames: string[] = []) =>
    loadConfig({ env, knownNames }).notices.map(formatProblem);

  test("a mistyped SAI_ name is said, with a suggestion", () => {
    expect(notices({ SAI_LOGLEVEL: "debug", HOME: "/root" })).toEqual([
      'environment SAI_LOGLEVEL: unknown variable, ignored, did you mean "SAI_LOG_LEVEL"?',
    ]);
  });

  test("names the caller knows are not", () => {
    expect(notices({ SAI_CONTEXT: "x" }, ["SAI_CONTEXT"])).toEqual([]);
  });
});

test.each([
  ["127.0.0.1", true],
  ["127.8.9.1", true],
  ["::1", true],
  ["[::1]", true],
  ["localhost", true],
  ["0.0.0.0", false],
  ["::", false],
  ["10.0.0.1", false],
  ["127.0.0.1.example.com", false],
])("%s is loopback: %s", (host, expected) => {
  expect(isLoopback(host)).toBe(expected);
});
