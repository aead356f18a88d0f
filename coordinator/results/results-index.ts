import type { Comparing } from "../../shared/benchmark/compare/comparison.js";
import type { NameMap } from "../../shared/benchmark/compare/match-jobs.js";
import type { CompareRules } from "../../shared/benchmark/compare/rules.js";
import type { Item } from "../../shared/benchmark/item.js";
import type { Plan } from "../../shared/benchmark/plan.js";
import type { ResultRecord, Status } from "../../shared/benchmark/record.js";
import type { Summary } from "../../shared/benchmark/summary.js";
import type { CampaignEntry, JobEntry } from "../campaigns/board.js";
import type { ExampleTask } from "../report/example.js";
import type { DoneValue } from "../store/values.js";

/** Which records of a campaign; absent means all. */
export interface RecordFilter {
  job?: string;
  status?: Status;
}

/** Which two campaigns are compared, and how. */
export interface CompareQuery {
  base: string;
  candidate: string;
  /** The name of the baseline that `base` was found by. */
  baseline?: string;
  map: NameMap;
  rules: CompareRules;
}

/** A plan's jobs, and their items by the hash of their manifest. */
export interface Rules extends Pick<Plan, "jobs" | "compat"> {
  items: { [manifestSha256: string]: Item[] };
}

/**
 * What people query. It is a projection of the committed records and may be rebuilt from them at any time; this
 * version streams them from the artifact store at each question, a database may answer the same questions later.
 */
export interface ResultsIndex {
  /** Metrics, intervals, comparisons and failures of what has committed so far. Throws not_found. */
  summary(campaign: string): Promise<Summary>;
  /**
   * The same by other rules, or by this version's, from the answers that were kept. Throws not_found, and invalid_argument
   * for rules that would have other questions.
   */
  rescore(campaign: string, rules?: Rules): Promise<Summary>;
  /** Two campaigns against each other, cell by cell. Throws not_found, and invalid_argument for names nobody has. */
  compare(request: CompareQuery): Promise<Comparing>;
  /** A few samples of each task as they were asked and answered, for a report. Throws not_found. */
  examples(campaign: string): Promise<ExampleTask[]>;
  /** Records of committed shards in job and ordinal order. Throws not_found. */
  records(campaign: string, filter?: RecordFilter): AsyncIterable<ResultRecord>;
  /** The records of one committed shard, by ordinal. */
  ofShard(entry: CampaignEntry, job: JobEntry, index: number, done: DoneValue): Promise<ResultRecord[]>;
}
