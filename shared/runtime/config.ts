/**
 * Configuration: one validated value per process. `loadConfig` reads the file, the environment and the flags (in that
 * rising precedence), reports all problems at once with their place, and says which keys it accepts without effect.
 */
import { resolveConfig } from "./config/resolve.js";
import { fileSchema } from "./config/schema.js";
import type { Config } from "./config/types.js";

export { isLoopback } from "./config/check.js";
export { describeConfig, formatProblem } from "./config/describe.js";
export { loadConfig } from "./config/load.js";
export { NVIDIA_SMI } from "./config/schema.js";
export type * from "./config/types.js";

/** The configuration of somebody who set nothing. */
export const defaultConfig = (): Config => resolveConfig(fileSchema.parse({}));
