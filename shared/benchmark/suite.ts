/** Reads a suite: see `suite/read-suite.ts`; its types are in `suite/suite-types.ts`. */
export type { Finding, LineOf } from "./finding.js";
export { readSuite } from "./suite/read-suite.js";
export type {
  DatasetSpec,
  DatasetType,
  OwnPrompt,
  RunSettings,
  Suite,
  SuiteModel,
  SuitePrompt,
  TargetSpec,
} from "./suite/suite-types.js";
