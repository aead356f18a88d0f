/**
 * The results index: how fast records come in beside a plain COPY of the same rows, and how long its questions take when
 * they are many; in a PostgreSQL of its own (Debian's) and in PGlite. README.md says what each figure means. Prints
 * tables and, as the last line, the figures as JSON.
 *
 *   npm run bench:results [-- --records 10000000 --embedded 1000000 --job 100000 --rounds 5]
 */
import { existsSync, mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { IndexCalls } from "../../coordinator/index/calls.js";
import type { DatabaseOptions } from "../../coordinator/index/database.js";
import { IndexThread } from "../../coordinator/index/index-thread.js";
import { migrate } from "../../coordinator/index/migrate.js";
import { openPglite } from "../../coordinator/index/pglite.js";
import { openPostgres } from "../../coordinator/index/postgres.js";
import { ingestCampaign } from "../../coordinator/index/source.js";
import { systemClock } from "../../shared/runtime/clock.js";
import { debianProgram } from "../../test/support/outside.js";
import { startPostgres } from "../../test/support/postgres.js";
import { leaveNothing } from "../support/leave-nothing.js";
import { thisMachine } from "../support/machine.js";
import { table } from "../support/table.js";
import { copyByBlob, copyByPsql, makeTable, writeRows, writeWhole } from "./plain.js";
import { questions, type Timed, timed } from "./questions.js";
import { campaigns, type Workload, writeWorkload } from "./workload.js";

const { values: flags } = parseArgs({
  options: {
    records: { type: "string", default: "10000000" },
    embedded: { type: "string", default: "1000000" },
    job: { type: "string", default: "100000" },
    rounds: { type: "string", default: "5" },
  },
});
const [records, embedded, perJob, rounds] = [flags.records, flags.embedded, flags.job, flags.rounds].map(
  Number,
) as [number, number, number, number];
const JOBS = 10;
const say = (text: string) => process.stderr.write(`${text}\n`);
leaveNothing();

interface Figures {
  database: string;
  records: number;
  oursPerS: number;
  plainPerS: number;
  ratio: number;
  /** Records kept whole in a column of jsonb, by a plain COPY. */
  wholePerS?: number;
  fillPerS: number;
  questions: Timed[];
}

const scratch = mkdtempSync(join(tmpdir(), "sai-bench-results-"));
say(`writing the records of a job, ${perJob}, in two variants`);
const workload = writeWorkload(join(scratch, "records"), perJob);
const rows = join(scratch, "rows.copy");
await writeRows(workload, rows);
const found = [
  ...(records > 0 ? [await inPostgres(workload)] : []),
  ...(embedded > 0 ? [await inPglite(workload)] : []),
];
process.stdout.write(`${report(found).join("\n")}\n`);
process.stdout.write(`${JSON.stringify({ machine: thisMachine(), lineBytes: workload.lineBytes, found })}\n`);

async function inPostgres(load: Workload): Promise<Figures> {
  const bin = await postgresFolder();
  // As somebody would set up a server for it: the defaults are for a machine with very little memory.
  const server = await startPostgres(bin, ["shared_buffers=1GB", "max_wal_size=4GB", "work_mem=64MB"]);
  await server.create("bench");
  const { host, port, user } = server;
  const options = { kind: "postgresql" as const, host, port, user, name: "bench" };
  const whole = { ...options, password: undefined, tls: "off" as const, ca: undefined };
  const db = await openPostgres(whole);
  await migrate(db);
  let n = 0;
  const plain = async () => {
    n += 1;
    await makeTable(db, `plain_${n}`);
    const seconds = await copyByPsql(join(bin, "psql"), server, "bench", `plain_${n}`, rows);
    await db.query(`drop table plain_${n}`);
    return seconds;
  };
  const figures = await measure(load, whole, records, plain, () => db.query("analyze sai_results.sample"));
  say("records kept whole, by a plain COPY");
  const lines = join(scratch, "whole.copy");
  await writeWhole(load, lines);
  await db.query("create table whole (ordinal integer primary key, record jsonb not null)");
  const wholeS = await copyByPsql(join(bin, "psql"), server, "bench", "whole", lines, ["ordinal", "record"]);
  say("the leaderboard from all rows, without what stands beside them");
  const raw = await timed(
    "(for comparison) means and medians of all jobs from the rows alone",
    () =>
      db.query(`select cell, avg((scores ->> 'exact_match')::double precision),
        percentile_cont(0.5) within group (order by e2e_ms) from sai_results.sample group by cell`),
    0,
  );
  await db.close();
  await server.stop();
  return { ...figures, wholePerS: perJob / wholeS, questions: [...figures.questions, raw] };
}

async function inPglite(load: Workload): Promise<Figures> {
  const other = await openPglite({ dir: join(scratch, "plain"), nonce: "plain", nowMs: 0 });
  await migrate(other);
  let n = 0;
  const plain = async () => {
    n += 1;
    await makeTable(other, `plain_${n}`);
    const seconds = await copyByBlob(other, `plain_${n}`, rows);
    await other.query(`drop table plain_${n}`);
    return seconds;
  };
  const figures = await measure(
    load,
    { kind: "pglite", dir: join(scratch, "index") },
    embedded,
    plain,
    async () => {},
  );
  await other.close();
  return figures;
}

/** Rounds of ours and plain in turns, then the rest of the records, then the questions. */
async function measure(
  load: Workload,
  database: DatabaseOptions,
  total: number,
  plain: () => Promise<number>,
  analyze: () => Promise<unknown>,
): Promise<Figures> {
  const thread = new IndexThread(
    () => ({ database, cluster: "bench", nonce: "bench", nowMs: 0 }),
    systemClock,
  );
  const { version } = await thread.calls.open();
  const ours = (first: number, jobs: number) => ingest(thread.calls, load, first, jobs);
  say(`${version}: a round of each to warm up, then ${rounds} in turns`);
  await ours(0, 1);
  await plain();
  const [ourS, plainS]: [number[], number[]] = [[], []];
  for (let i = 1; i <= rounds; i += 1) {
    if (i % 2 === 1) plainS.push(await plain());
    ourS.push(await ours(i, 1));
    if (i % 2 === 0) plainS.push(await plain());
    say(
      `  ours ${(perJob / (ourS.at(-1) ?? 1)).toFixed(0)}/s, plain ${(perJob / (plainS.at(-1) ?? 1)).toFixed(0)}/s`,
    );
  }
  const campaignsLeft = Math.max(1, Math.ceil((total / perJob - rounds - 1) / JOBS));
  say(`${version}: ${campaignsLeft} campaigns of ${JOBS} jobs more`);
  let fillS = 0;
  for (let i = 0; i < campaignsLeft; i += 1) fillS += await ours(rounds + 1 + i, JOBS);
  await analyze();
  const last = `c-${String(rounds + campaignsLeft).padStart(4, "0")}`;
  say(`${version}: the questions`);
  const asked = await questions(thread.calls, 1, last);
  await thread.close();
  const [oursPerS, plainPerS] = [perJob / median(ourS), perJob / median(plainS)];
  return {
    ...{ database: version, records: perJob * (1 + rounds + campaignsLeft * JOBS) },
    ...{ oursPerS, plainPerS, ratio: oursPerS / plainPerS },
    ...{ fillPerS: (campaignsLeft * JOBS * perJob) / fillS, questions: asked },
  };
}

/** Brings a campaign in, from its files; answers seconds. */
async function ingest(index: IndexCalls, load: Workload, first: number, jobs: number): Promise<number> {
  const started = performance.now();
  for (const source of campaigns(load, first, 1, jobs)) await ingestCampaign(index, 1, source, () => true);
  return (performance.now() - started) / 1000;
}

function report(all: readonly Figures[]): string[] {
  const { cpu, cores, node, load1m } = thisMachine();
  return [
    `${cpu}, ${cores} threads, Node ${node}, load ${load1m.toFixed(1)}; ${workload.lineBytes.toFixed(0)} bytes a record`,
    "",
    ...table([
      [
        "ingestion",
        "ours, records/s",
        "plain COPY, rows/s",
        "ratio (aim 0.5)",
        "all of it, records/s",
        "records as jsonb, rows/s",
      ],
      ...all.map((f) => [
        f.database,
        f.oursPerS.toFixed(0),
        f.plainPerS.toFixed(0),
        f.ratio.toFixed(2),
        f.fillPerS.toFixed(0),
        f.wholePerS?.toFixed(0) ?? "-",
      ]),
    ]),
    ...all.flatMap((f) => [
      "",
      ...table([
        [`${f.database}, ${f.records} records`, "first, ms", "median, ms", "max, ms"],
        ...f.questions.map((q) => [
          q.question,
          ...[q.firstMs, q.medianMs, q.maxMs].map((ms) => ms.toFixed(1)),
        ]),
      ]),
    ]),
  ];
}

async function postgresFolder(): Promise<string> {
  await debianProgram({ program: "/usr/bin/pg_ctlcluster", package: "postgresql" }, say);
  const root = "/usr/lib/postgresql";
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : [];
  return join(root, versions[0] ?? "", "bin");
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
