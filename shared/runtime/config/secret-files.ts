/**
 * `api_key_file` beside `api_key`, `password_file` beside `password` and so on: the secret lies in a file (systemd LoadCredential,
 * Kubernetes, Docker secrets).
 */
import { readFileSync, statSync } from "node:fs";
import { errorText } from "../errors.js";
import type { Layers } from "./load.js";
import type { FileConfig } from "./schema.js";

const MAX_BYTES = 8192;

/** The same configuration with the secrets read in; both at once, or a file that cannot be read, becomes a problem. */
export function readSecretFiles(file: FileConfig, layers: Layers): FileConfig {
  const { huggingface, openai, anthropic } = file.engines;
  const apiKey = (engine: FileConfig["engines"]["openai"], section: string) =>
    secretOf(engine.api_key, engine.api_key_file, `${section}.api_key`, layers);
  const { password, password_file } = file.store;
  const { secret_access_key: key, secret_access_key_file } = file.artifacts;
  return {
    ...file,
    engines: {
      ...file.engines,
      huggingface: {
        ...huggingface,
        token: secretOf(huggingface.token, huggingface.token_file, "engines.huggingface.token", layers),
      },
      openai: { ...openai, api_key: apiKey(openai, "engines.openai") },
      anthropic: { ...anthropic, api_key: apiKey(anthropic, "engines.anthropic") },
    },
    artifacts: {
      ...file.artifacts,
      secret_access_key: secretOf(key, secret_access_key_file, "artifacts.secret_access_key", layers),
    },
    store: { ...file.store, password: secretOf(password, password_file, "store.password", layers) },
    database: {
      ...file.database,
      password: secretOf(file.database.password, file.database.password_file, "database.password", layers),
    },
  };
}

/** The secret at `key`, or what lies in the file at `key`_file. */
function secretOf(
  given: string | undefined,
  path: string | undefined,
  key: string,
  layers: Layers,
): string | undefined {
  if (path === undefined) return given;
  const problem = (message: string, hint: string) => {
    const source = layers.sources.get(`${key}_file`) ?? { kind: "default" as const };
    layers.problems.push({ key: `${key}_file`, source, message, hint });
    return undefined;
  };
  if (given !== undefined) return problem(`given beside ${key.split(".").at(-1)}`, "keep one of the two");
  const read = readSecret(path);
  if ("secret" in read) return read.secret;
  return problem(read.message, "the file holds the secret and nothing else");
}

function readSecret(path: string): { secret: string } | { message: string } {
  try {
    const stat = statSync(path);
    if (!stat.isFile()) return { message: `${path} is not a file` };
    if (stat.size > MAX_BYTES) return { message: `${path} is larger than ${MAX_BYTES} bytes` };
    const secret = readFileSync(path, "utf8").trim();
    return secret === "" ? { message: `${path} is empty` } : { secret };
  } catch (error) {
    return { message: `cannot be read: ${errorText(error)}` };
  }
}
