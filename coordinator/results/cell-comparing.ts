/** Two cells whose records come one after the other, the base's first: what the summary thread does when it compares. */
import { collectJob, type JobCollector } from "../../shared/benchmark/aggregate.js";
import type { CellInput } from "../../shared/benchmark/aggregate-cell.js";
import { type CellComparison, compareCells } from "../../shared/benchmark/compare/compare-cells.js";
import type { JobMatch } from "../../shared/benchmark/compare/match-jobs.js";
import type { CompareRules } from "../../shared/benchmark/compare/rules.js";
import { withVerdicts } from "../../shared/benchmark/judge.js";
import type { JobSpec } from "../../shared/benchmark/plan.js";
import type { ResultRecord } from "../../shared/benchmark/record.js";

export interface CompareTask {
  match: JobMatch;
  rules: CompareRules;
}

/** A cell with the verdicts on its answers. */
class Side {
  private readonly jobs: JobCollector[];

  constructor(job: JobSpec, judges: readonly JobSpec[]) {
    this.jobs = [job, ...judges].map((one) => collectJob(one));
  }

  add(record: ResultRecord): void {
    const own = this.jobs.find(({ job }) => job.id === record.job);
    if (own !== undefined && record.ordinal < own.job.samples) own.add(record);
  }

  input(): CellInput {
    const [input] = withVerdicts(this.jobs.map((job) => job.input()));
    if (input === undefined) throw new RangeError("a side without a job");
    return input;
  }
}

export class CellComparing {
  private readonly base: Side;
  private readonly candidate: Side;
  private current: Side;

  constructor(private readonly task: CompareTask) {
    const { base, candidate, judges } = task.match;
    this.base = new Side(base, judges.base);
    this.candidate = new Side(candidate, judges.candidate);
    this.current = this.base;
  }

  /** The records that follow are the candidate's. */
  turn(): void {
    this.current = this.candidate;
  }

  add(record: ResultRecord): void {
    this.current.add(record);
  }

  result(): CellComparison {
    return compareCells(this.base.input(), this.candidate.input(), this.task.rules);
  }
}
