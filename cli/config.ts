/** The configuration for a command: flag > environment > file > default, with every problem listed at once. */
import type { Json } from "../shared/benchmark/json.js";
import { formatProblem, type LoadConfigResult, loadConfig } from "../shared/runtime/config.js";
import { SaiError } from "../shared/runtime/errors.js";
import { type Context, say } from "./context.js";

export type LoadedConfig = Extract<LoadConfigResult, { ok: true }>;

/** Names of the environment that the command line reads itself. */
export const CLI_ENV = ["SAI_ADDRESS"] as const;

/** Reads the configuration without judging it; for `doctor`. */
export function readConfig(
  context: Context,
  serving: boolean,
  overrides: { readonly [key: string]: Json | undefined } = {},
): LoadConfigResult {
  const { env } = context.io;
  const address = context.flags.address ?? (env["SAI_ADDRESS"] || undefined);
  return loadConfig({
    env,
    overrides: { "client.address": address, ...overrides },
    serving,
    knownNames: CLI_ENV,
  });
}

/** The configuration, or SaiError("config") (exit 78) with all problems. Notices go to stderr when serving. */
export function requireConfig(
  context: Context,
  serving: boolean,
  overrides: { readonly [key: string]: Json | undefined } = {},
): LoadedConfig {
  const loaded = readConfig(context, serving, overrides);
  if (!loaded.ok) {
    const n = loaded.problems.length;
    throw new SaiError("config", `the configuration has ${n === 1 ? "a problem" : `${n} problems`}`, {
      violations: loaded.problems.map((p) => ({ field: "", description: formatProblem(p) })),
      hint: "`sai doctor` shows every value and where it comes from",
    });
  }
  if (serving) for (const notice of loaded.notices) say(context, `notice: ${formatProblem(notice)}`);
  return loaded;
}
