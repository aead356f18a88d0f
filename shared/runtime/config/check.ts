/** What is wrong with a tree: the schema's issues in people's words with their place, and rules across keys. */
import { isIP } from "node:net";
import type { z } from "zod";
import { suggestion } from "../../benchmark/suggest.js";
import { keysBelow, leaves } from "./leaves.js";
import type { Layers } from "./load.js";
import type { Config, ConfigProblem, ConfigSource } from "./types.js";

/** One problem per issue, and per key for unknown keys, in the file's order. */
export function findProblems(issues: z.core.$ZodIssue[], layers: Layers): ConfigProblem[] {
  const problems = issues.flatMap((issue) => {
    const path = issue.path.map(String).join(".");
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((name) => unknownKey(path, name, layers));
    }
    return [
      { key: path, source: sourceOf(path, layers), message: describeIssue(issue, path, layers), hint: "" },
    ];
  });
  return problems.sort((a, b) => lineOf(a.source) - lineOf(b.source));
}

/** Anybody on the network could use what is served: no TLS and no keys exist yet. Undefined on loopback. */
export function networkProblem(config: Config, layers: Layers): ConfigProblem | undefined {
  const { host } = config.coordinator;
  if (isLoopback(host)) return undefined;
  const message = `${host} is reachable by other machines, and this version has neither TLS nor keys`;
  const hint = config.security.insecureNetwork
    ? "allowed by security.insecure_network"
    : "use 127.0.0.1 and a proxy with TLS and keys in front, or, on a network where everybody may use it, " +
      "security.insecure_network: true (SAI_SECURITY_INSECURE_NETWORK=true)";
  return { key: "coordinator.host", source: sourceOf("coordinator.host", layers), message, hint };
}

/** What does not go together in how the state store is reached. */
export function storeProblems({ store }: Config, layers: Layers): ConfigProblem[] {
  const problem = (leaf: string, message: string, hint: string): ConfigProblem => {
    const key = `store.${leaf}`;
    return { key, source: sourceOf(key, layers), message, hint };
  };
  const out: ConfigProblem[] = [];
  const { kind, endpoints, user, password, certFile, keyFile } = store;
  if (kind === "etcd" && endpoints.length === 0)
    out.push(
      problem("endpoints", "names no member of etcd", "such as http://10.0.0.1:2379, one for each member"),
    );
  if (kind !== "etcd" && endpoints.length > 0)
    out.push(
      problem("endpoints", `is not used by the ${kind} store`, "set store.kind: etcd, or leave it out"),
    );
  if (new Set(endpoints.map((url) => new URL(url).protocol)).size > 1)
    out.push(problem("endpoints", "mixes http:// and https://", "all members are reached with TLS, or none"));
  if ((user === undefined) !== (password === undefined)) {
    const [leaf, other] = user === undefined ? ["user", "password"] : ["password", "user"];
    out.push(problem(leaf, `is missing beside store.${other}`, "etcd wants both, or neither"));
  }
  if ((certFile === undefined) !== (keyFile === undefined)) {
    const [leaf, other] = certFile === undefined ? ["cert_file", "key_file"] : ["key_file", "cert_file"];
    out.push(problem(leaf, `is missing beside store.${other}`, "a certificate goes with its key"));
  }
  return out;
}

/** What does not go together in where artifacts lie. */
export function artifactProblems({ artifacts }: Config, layers: Layers): ConfigProblem[] {
  const problem = (leaf: string, message: string, hint: string): ConfigProblem => {
    const key = `artifacts.${leaf}`;
    return { key, source: sourceOf(key, layers), message, hint };
  };
  const { kind, bucket, endpoint, accessKeyId, secretAccessKey, credentialsFile } = artifacts;
  const out: ConfigProblem[] = [];
  if (kind === "s3" && bucket === undefined)
    out.push(problem("bucket", "is missing", "artifacts.kind: s3 needs one that is there"));
  for (const [leaf, value] of Object.entries({ bucket, endpoint })) {
    if (kind !== "s3" && value !== undefined)
      out.push(problem(leaf, `is not used by kind ${kind}`, "set artifacts.kind: s3, or leave it out"));
  }
  if (kind === "nfs" && !layers.sources.has("artifacts.dir"))
    out.push(problem("dir", "is missing", "artifacts.kind: nfs needs a folder on the share"));
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined)) {
    const [leaf, other] =
      accessKeyId === undefined
        ? ["access_key_id", "secret_access_key"]
        : ["secret_access_key", "access_key_id"];
    out.push(problem(leaf, `is missing beside artifacts.${other}`, "S3 wants both, or neither"));
  }
  if (credentialsFile !== undefined && accessKeyId !== undefined)
    out.push(problem("credentials_file", "given beside access_key_id", "keep one of the two"));
  return out;
}

/** What does not go together in how the results index is reached. */
export function databaseProblems({ database }: Config, layers: Layers): ConfigProblem[] {
  const { host, tls, caFile } = database;
  const problem = (leaf: string, message: string, hint: string): ConfigProblem => {
    const key = `database.${leaf}`;
    return { key, source: sourceOf(key, layers), message, hint };
  };
  if (host === undefined && tls !== "off")
    return [problem("tls", "is not used without database.host", "name the server")];
  if (caFile !== undefined && tls !== "verify")
    return [problem("ca_file", "is not used", "set database.tls: verify, or leave it out")];
  return [];
}

/** True for 127.0.0.0/8, ::1 and localhost. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, "");
  if (isIP(bare) === 4) return bare.startsWith("127.");
  return bare === "::1" || bare.toLowerCase() === "localhost";
}

function unknownKey(path: string, name: string, layers: Layers): ConfigProblem {
  const key = path === "" ? name : `${path}.${name}`;
  const known = keysBelow(path);
  const elsewhere = [...leaves.keys()].find((leaf) => leaf.endsWith(`.${name}`));
  const hint =
    suggestion(name, known) ||
    (elsewhere === undefined ? `known here: ${known.join(", ")}` : `did you mean "${elsewhere}"?`);
  return { key, source: sourceOf(key, layers), message: "unknown key", hint };
}

function describeIssue(issue: z.core.$ZodIssue, path: string, layers: Layers): string {
  const value = leaves.get(path)?.secret ? undefined : shown(valueAt(layers.tree, issue.path));
  const got = value === undefined ? "" : `, got ${value}`;
  switch (issue.code) {
    case "invalid_type":
      return `is not ${issue.expected === "int" ? "a whole number" : articled(issue.expected)}${got}`;
    case "too_small":
      return `is below the smallest allowed (${issue.inclusive === false ? "more than " : ""}${issue.minimum})${got}`;
    case "too_big":
      return `is above the largest allowed (${issue.maximum})${got}`;
    case "invalid_key":
      return issue.issues[0]?.message ?? issue.message;
    default:
      return `${issue.message}${got}`;
  }
}

const TYPES: { [type: string]: string } = {
  object: "mapping",
  record: "mapping",
  array: "list",
  string: "text",
};

function articled(type: string): string {
  const word = TYPES[type] ?? type;
  return word === "text" ? word : `a ${word}`;
}

function shown(value: unknown): string | undefined {
  if (value === undefined) return "nothing";
  const text = JSON.stringify(value);
  return text === undefined || text.length > 80 ? undefined : text;
}

function valueAt(tree: unknown, path: PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (at, name) => (typeof at === "object" && at !== null ? Reflect.get(at, name) : undefined),
    tree,
  );
}

/** The source of a key or of the nearest key above it that has one. */
function sourceOf(key: string, layers: Layers): ConfigSource {
  for (let at = key; at !== ""; at = at.slice(0, Math.max(0, at.lastIndexOf(".")))) {
    const source = layers.sources.get(at);
    if (source !== undefined) return source;
  }
  return { kind: "default" };
}

const lineOf = (source: ConfigSource) => (source.kind === "file" ? source.line : Number.MAX_SAFE_INTEGER);
