/** What preparing a suite takes and gives; see `prepare.ts`. */
import type { Finding } from "../benchmark/finding.js";
import type { Item } from "../benchmark/item.js";
import type { AvailableModels } from "../benchmark/models.js";
import type { ModelSpec, PromptSpec, ScenarioSpec } from "../benchmark/plan.js";
import type { Suite } from "../benchmark/suite/suite-types.js";
import type { FilePlace } from "../datasets/locate.js";
import type { MediaSource } from "../datasets/pictures.js";

export interface PrepareInput {
  /** The suite's text or bytes, YAML or JSON. */
  text: string | Uint8Array;
  /** Model ids of the suite to `ENGINE:MODEL`; `*` maps the rest. */
  modelMap: Readonly<Record<string, string>>;
  /**
   * What the reachable engines can serve. Absent: nobody has asked them yet, so bare ids pass with a warning; empty:
   * asked, and there is none.
   */
  available?: readonly AvailableModels[];
  /** Where paths of the suite lead. Absent: nowhere; then every path needs a ready manifest or prompt text. */
  files?: FilePlace;
  /**
   * Datasets a client has resolved already, by dataset id, and what it warned of (without the field). They win over
   * paths.
   */
  manifests?: ReadonlyMap<string, { items: Item[]; warnings?: readonly string[] }>;
  /** Texts of prompt files somebody else has read already, by prompt id. They win over paths. */
  promptFiles?: ReadonlyMap<string, string>;
}

export interface Prepared {
  /** No errors: a plan can be made. */
  ok: boolean;
  /** Errors first. */
  findings: Finding[];
  /** SHA-256 of the text as submitted, hex. */
  suiteSha256: string;
  /** Absent when the text is no suite at all. */
  suite?: Suite;
  prompts: PromptSpec[];
  models: ModelSpec[];
  /** Models that only judge. */
  judges: ModelSpec[];
  /** One per dataset of the suite, in its order; absent ones have `items: []` and say why. */
  datasets: PreparedDataset[];
  /** Prompt texts that were read from files, by prompt id, for upload. */
  promptFiles: Map<string, string>;
  /** Jobs and samples of the expanded matrix. */
  jobs: number;
  samples: number;
  /** The first `n` rendered messages, one per job and item in matrix order, spread over the jobs. */
  rendered(n: number): RenderedSample[];
}

export interface PreparedDataset {
  id: string;
  items: Item[];
  /** The item manifest: JSON lines. */
  manifest: Uint8Array;
  /** Its SHA-256, hex. */
  sha256: string;
  /** Pictures by SHA-256 (hex); empty for datasets resolved elsewhere. */
  media: Map<string, MediaSource>;
  /** Where each item stands, by its id: `questions.jsonl line 7`. Unknown of those resolved elsewhere. */
  places?: ReadonlyMap<string, string>;
  /** The scenarios of the suite that are about some of its items. */
  scenarios?: ScenarioSpec[];
  /** Ids that the suite asks for and it does not have. */
  missingIds?: string[];
  /** Why it will not run. */
  absent?: string;
}

/** The fields of `sai.v1.RenderedMessage`. */
export interface RenderedSample {
  model: string;
  prompt: string;
  dataset: string;
  item: string;
  system: string;
  user: string;
  images: string[];
  /** The target or truth as JSON; may be empty. */
  target: string;
}
