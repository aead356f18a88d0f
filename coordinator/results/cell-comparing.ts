/** Two cells whose records come one after the other, the base's first: what the summary thread does when it compares. */
import { collectJob, type JobCollector } from "../../shared/benchmark/aggregate.js";
import { type CellComparison, compareCells } from "../../shared/benchmark/compare/compare-cells.js";
import type { JobMatch } from "../../shared/benchmark/compare/match-jobs.js";
import type { CompareRules } from "../../shared/benchmark/compare/rules.js";
import type { ResultRecord } from "../../shared/benchmark/record.js";

export interface CompareTask {
  match: JobMatch;
  rules: CompareRules;
}

export class CellComparing {
  private readonly base: JobCollector;
  private readonly candidate: JobCollector;
  private current: JobCollector;

  constructor(private readonly task: CompareTask) {
    this.base = collectJob(task.match.base);
    this.candidate = collectJob(task.match.candidate);
    this.current = this.base;
  }

  /** The records that follow are the candidate's. */
  turn(): void {
    this.current = this.candidate;
  }

  add(record: ResultRecord): void {
    const { id, samples } = this.current.job;
    if (record.job === id && record.ordinal < samples) this.current.add(record);
  }

  result(): CellComparison {
    return compareCells(this.base.input(), this.candidate.input(), this.task.rules);
  }
}
