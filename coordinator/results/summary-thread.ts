/**
 * A thread that turns records into summaries, one campaign at a time, so that the coordinator's event loop stays free.
 * It is started when it is first needed, does not keep the process alive, and is started again if it dies.
 */
import type { Worker } from "node:worker_threads";
import type { SummaryMeta } from "../../shared/benchmark/aggregate.js";
import type { Plan } from "../../shared/benchmark/plan.js";
import type { ResultRecord } from "../../shared/benchmark/record.js";
import type { Summary } from "../../shared/benchmark/summary.js";
import { Breath } from "../../shared/runtime/breath.js";
import { systemClock } from "../../shared/runtime/clock.js";
import { SaiError } from "../../shared/runtime/errors.js";
import { startThread } from "../../shared/runtime/thread.js";

/** What is summed up: all records of `campaigns` that are of the plan's samples. */
export interface SummarySource {
  plan: Plan;
  /** The campaign itself, and those it is a retry of. */
  campaigns: string[];
}

/** What sums records up. */
export interface Summarizer {
  /** The summary of the records, which arrive a shard at a time. Rejects with what `batches` throws. */
  summarize(
    source: SummarySource,
    batches: AsyncIterable<ResultRecord[]>,
    meta: SummaryMeta,
  ): Promise<Summary>;
  close(): Promise<void>;
}

export type ToWorker =
  | ({ kind: "begin" } & SummarySource)
  | { kind: "records"; records: ResultRecord[] }
  | { kind: "end"; meta: SummaryMeta };

export type FromWorker = { ok: true; summary: Summary } | { ok: false; reason: string };

export class SummaryThread implements Summarizer {
  private worker: Worker | undefined;
  private turn: Promise<unknown> = Promise.resolve();

  /** The summary of the records, which arrive a shard at a time. Rejects when the thread dies or `batches` throws. */
  summarize(
    source: SummarySource,
    batches: AsyncIterable<ResultRecord[]>,
    meta: SummaryMeta,
  ): Promise<Summary> {
    const mine = this.turn.then(() => this.run(source, batches, meta));
    this.turn = mine.catch(() => {});
    return mine;
  }

  /** Ends the thread; summaries under way are rejected. */
  async close(): Promise<void> {
    await this.worker?.terminate();
  }

  private async run(
    source: SummarySource,
    batches: AsyncIterable<ResultRecord[]>,
    meta: SummaryMeta,
  ): Promise<Summary> {
    this.worker ??= this.start();
    const worker = this.worker;
    const post = (message: ToWorker) => worker.postMessage(message);
    const answered = answerOf(worker);
    // A death while the records are still being read must not go unhandled; the await below reports it.
    answered.catch(() => {});
    post({ kind: "begin", ...source });
    const breath = new Breath(systemClock); // inline records come without a pause, a million of them
    for await (const records of batches) {
      if (breath.isDue()) await breath.take();
      post({ kind: "records", records });
    }
    post({ kind: "end", meta });
    const answer = await answered;
    if (answer.ok) return answer.summary;
    throw new SaiError("internal", `the summary cannot be computed: ${answer.reason}`);
  }

  private start(): Worker {
    const worker = startThread("summary-worker", import.meta.url);
    worker.unref();
    const forget = () => {
      if (this.worker === worker) this.worker = undefined;
    };
    worker.on("exit", forget);
    worker.on("error", forget);
    return worker;
  }
}

function answerOf(worker: Worker): Promise<FromWorker> {
  return new Promise((resolve, reject) => {
    const done = (run: () => void) => {
      worker.off("message", onMessage);
      worker.off("error", onError);
      worker.off("exit", onExit);
      worker.unref();
      run();
    };
    const onMessage = (message: FromWorker) => done(() => resolve(message));
    const onError = (cause: unknown) =>
      done(() => reject(new SaiError("internal", "the summary thread failed", { cause })));
    const onExit = () => done(() => reject(new SaiError("unavailable", "the summary thread was stopped")));
    worker.ref();
    worker.on("message", onMessage);
    worker.on("error", onError);
    worker.on("exit", onExit);
  });
}
