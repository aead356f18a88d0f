/** `api_key_file` beside `api_key`: the secret lies in a file (systemd LoadCredential, Kubernetes, Docker secrets). */
import { readFileSync, statSync } from "node:fs";
import { errorText } from "../errors.js";
import type { Layers } from "./load.js";
import type { FileConfig } from "./schema.js";

const MAX_BYTES = 8192;

/** The same configuration with the keys read in; both at once, or a file that cannot be read, becomes a problem. */
export function readSecretFiles(file: FileConfig, layers: Layers): FileConfig {
  const { openai, anthropic } = file.engines;
  return {
    ...file,
    engines: {
      ...file.engines,
      openai: { ...openai, api_key: keyOf(openai, "engines.openai", layers) },
      anthropic: { ...anthropic, api_key: keyOf(anthropic, "engines.anthropic", layers) },
    },
  };
}

type Engine = FileConfig["engines"]["openai"];

function keyOf(engine: Engine, section: string, layers: Layers): string | undefined {
  if (engine.api_key_file === undefined) return engine.api_key;
  const key = `${section}.api_key_file`;
  const source = layers.sources.get(key) ?? { kind: "default" };
  if (engine.api_key !== undefined) {
    layers.problems.push({ key, source, message: "given beside api_key", hint: "keep one of the two" });
    return undefined;
  }
  const read = readSecret(engine.api_key_file);
  if ("secret" in read) return read.secret;
  layers.problems.push({
    key,
    source,
    message: read.message,
    hint: "the file holds the key and nothing else",
  });
  return undefined;
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
