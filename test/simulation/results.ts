/** The results index of a simulated coordinator: it reads what was committed, and works nothing out of it. */

import type { Board, CampaignEntry, JobEntry } from "../../coordinator/campaigns/board.js";
import type { ExampleTask } from "../../coordinator/report/example.js";
import type { ResultsIndex } from "../../coordinator/results/results-index.js";
import type { DoneValue } from "../../coordinator/store/values.js";
import { type ArtifactStore, getVerified } from "../../shared/artifacts/store.js";
import type { ResultRecord } from "../../shared/benchmark/record.js";
import type { Summary } from "../../shared/benchmark/summary.js";

export class CommittedRecords implements ResultsIndex {
  constructor(
    private readonly board: Board,
    private readonly artifacts: ArtifactStore,
  ) {}

  async summary(campaign: string): Promise<Summary> {
    const jobs = this.board.campaign(campaign)?.jobs ?? [];
    return { campaign, shards: jobs.reduce((sum, job) => sum + job.done.size, 0) } as unknown as Summary;
  }

  compare(): Promise<never> {
    return Promise.reject(new Error("no comparison in a simulation"));
  }

  rescore(): Promise<Summary> {
    return Promise.reject(new Error("nothing is scored here"));
  }

  examples(): Promise<ExampleTask[]> {
    return Promise.reject(new Error("nothing is shown here"));
  }

  async *records(): AsyncGenerator<ResultRecord> {}

  /** Of shards in which all samples were answered nobody but meters reads the records, and there are none: no line is parsed. */
  async ofShard(_e: CampaignEntry, _j: JobEntry, _i: number, done: DoneValue): Promise<ResultRecord[]> {
    if (done.kind !== "result") return [];
    const file =
      done.inline === undefined
        ? await getVerified(this.artifacts, done.uri, done.sha256)
        : Buffer.from(done.inline);
    if (Object.keys(done.counts).every((status) => status === "ok")) return [];
    return file
      .toString("utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as ResultRecord);
  }
}
