/** What the index promises, whichever database keeps it: run against PGlite in `npm test`, and PostgreSQL beside it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SaiError } from "../../shared/runtime/errors.js";
import {
  campaignSources,
  DISAGREEMENTS,
  expectedRows,
  FOUND_ROWS,
  foundRows,
  type Shape,
  writeCampaigns,
} from "./campaigns.test-support.js";
import { costs } from "./costs.js";
import type { Database } from "./database.js";
import { beginGeneration, openGenerations, switchGeneration } from "./generations.js";
import { addBatch, finishCampaign, forgetCampaign, ingestedCampaigns, ingestedShards } from "./ingest.js";
import { leaderboard } from "./leaderboard.js";
import { migrate, ownMigrations } from "./migrate.js";
import { pairSamples } from "./pairs.js";
import { findSamples, timesOfSamples } from "./samples.js";
import { type CampaignSource, ingestCampaign } from "./source.js";

const SHAPE: Shape = { campaigns: 2, jobs: 2, shards: 5, records: 40 };
const CLUSTER = "cluster-1";
const ANY = {
  metric: "",
  model: "",
  engine: "",
  prompt: "",
  dataset: "",
  campaign: "",
  tenant: "",
  all: false,
};

/** `open` gives an empty database. */
export function indexPromises(name: string, open: () => Promise<Database>): void {
  describe(`the results index in ${name}`, () => {
    const folder = mkdtempSync(join(tmpdir(), "sai-index-"));
    let db: Database;
    let sources: CampaignSource[];
    const writer = {
      ingestedShards: (...rest: [number, string]) => ingestedShards(db, ...rest),
      addBatch: (...rest: Tail<typeof addBatch>) => addBatch(db, ...rest),
      finishCampaign: (...rest: Tail<typeof finishCampaign>) => finishCampaign(db, ...rest),
    };
    const never = () => false;
    const ingest = (generation: number, source: CampaignSource) =>
      ingestCampaign(writer, generation, source, never);
    beforeAll(async () => {
      writeCampaigns(folder, SHAPE, 11);
      sources = campaignSources(folder);
      db = await open();
    }, 120_000);
    afterAll(async () => {
      await db?.close();
      rmSync(folder, { recursive: true, force: true });
    });

    test("migrations are applied once, and refused when they changed or a newer version was there", async () => {
      const own = ownMigrations();
      expect(await migrate(db)).toEqual(own.map((migration) => migration.name));
      expect(await migrate(db)).toEqual([]);
      const [first] = own as [(typeof own)[number]];
      const changed = [{ ...first, sql: `${first.sql}\n-- and more` }, ...own.slice(1)];
      await expect(migrate(db, changed)).rejects.toThrow(
        /migration 001-results .* is not the one that was applied/,
      );
      const more = [
        ...own,
        { id: own.length + 1, name: "002-more", sql: "create table sai_results.more (a int);" },
      ];
      const bad = [
        ...more,
        { id: own.length + 2, name: "003-bad", sql: "create table sai_results.more (b int);" },
      ];
      await expect(migrate(db, bad)).rejects.toThrow(/already exists/);
      expect(await db.query("select to_regclass('sai_results.more')::text is null as gone")).toEqual([
        { gone: true },
      ]);
      expect(await migrate(db, more)).toEqual(["002-more"]);
      await expect(migrate(db)).rejects.toThrow(/migrated by a newer version \(002-more\)/);
      await db.query("drop table sai_results.more");
      await db.query("delete from sai_results.migration where id = $1", [own.length + 1]);
    });

    test("the first generation is made once, and another cluster's is not touched", async () => {
      expect(await openGenerations(db, CLUSTER)).toEqual({ current: 1, building: undefined });
      expect(await openGenerations(db, CLUSTER)).toEqual({ current: 1, building: undefined });
      await expect(openGenerations(db, "other")).rejects.toThrow(
        /holds campaigns of cluster cluster-1, this is other/,
      );
    });

    test("what comes in equals the files, and a campaign answers when it is whole", async () => {
      const [one, two] = sources as [CampaignSource, CampaignSource];
      await ingest(1, one);
      const [job] = two.jobs as [CampaignSource["jobs"][number]];
      const shards = await Promise.all([0, 1].map((at) => job.read(at)));
      expect(await addBatch(db, 1, { cell: job.cell, from: 0, shards })).toEqual({
        records: 80,
        strangers: 0,
      });
      expect(await ingestedCampaigns(db, 1)).toEqual(["c-0"]);
      const all = { where: ["campaign=c-1"], size: 10, cursor: "" };
      expect((await findSamples(db, 1, all)).samples).toEqual([]);
      expect(await ingest(1, two)).toEqual({ records: 320, problem: "" }); // it goes on where it was cut off
      expect((await findSamples(db, 1, all)).samples).toHaveLength(10);
      expect(foundRows(await db.query(FOUND_ROWS))).toEqual(expectedRows(folder));
      expect(await db.query(DISAGREEMENTS)).toEqual([]);
    });

    test("a row that is lost, or a sum that is wrong, is seen", async () => {
      const lost = "delete from sai_results.sample where cell = 1 and ordinal = 7";
      for (const wrong of [lost, "update sai_results.campaign set records = 1 where id = 'c-1'"]) {
        const undone = db.transaction(async (tx) => {
          await tx.query(wrong);
          throw new Error(JSON.stringify(await tx.query(DISAGREEMENTS)));
        });
        await expect(undone).rejects.toThrow(/"what":"(job|campaign)"/);
      }
      expect(await db.query(DISAGREEMENTS)).toEqual([]);
    });

    test("a batch that is there already, or leaves a gap, is refused and changes nothing", async () => {
      const before = await db.query("select count(*)::int n from sai_results.sample");
      const [job] = (sources[0] as CampaignSource).jobs as [CampaignSource["jobs"][number]];
      for (const from of [0, 9]) {
        const refused = addBatch(db, 1, { cell: job.cell, from, shards: [await job.read(0)] });
        await expect(refused).rejects.toMatchObject({ code: "unavailable" });
      }
      const fresh = { ...job.cell, campaign: "c-gap" };
      const gap = addBatch(db, 1, { cell: fresh, from: 1, shards: [await job.read(1)] });
      await expect(gap).rejects.toThrow(/another coordinator has written/);
      expect(await db.query("select count(*)::int n from sai_results.sample")).toEqual(before);
    });

    test("what is no record of its shard is left out and counted; odd values become nothing", async () => {
      const [job] = (sources[0] as CampaignSource).jobs as [CampaignSource["jobs"][number]];
      const cell = { ...job.cell, campaign: "c-odd", job: "j" };
      const odd = {
        ...{
          ordinal: 3,
          repetition: 1e12,
          status: "ok",
          item_id: "nul \0, half \ud800",
          node: null,
          t_ns: {},
        },
        ...{
          tokens: { in: 1.5, out: -1 },
          flags: "none",
          scores: { a: "x", "b\0": 2, c: null },
          pair_key: "short",
        },
      };
      const lines = [
        ...["{", "null", "7", JSON.stringify({ ordinal: 99 }), JSON.stringify({ ordinal: "0" })],
        ...[odd, odd].map((record) => JSON.stringify(record)),
      ];
      const shard = { index: 0, lines: Buffer.from(lines.join("\n")), samples: [3, 4] };
      expect(await addBatch(db, 1, { cell, from: 0, shards: [shard] })).toEqual({ records: 1, strangers: 6 });
      const where = "from sai_results.sample where item like 'nul%'";
      const [row] = await db.query(
        `select item, node, repetition, tokens_in, flags, scores, pair, e2e_ms ${where}`,
      );
      expect(row).toEqual({
        ...{ item: "nul \ufffd, half \ufffd", node: "", repetition: 0, tokens_in: null, flags: null },
        ...{ scores: { "b\ufffd": 2 }, pair: null, e2e_ms: null },
      });
      await forgetCampaign(db, 1, "c-odd");
      expect(await db.query(`select item ${where}`)).toEqual([]);
    });

    test("what cannot be read of a campaign is its problem; the rest is in", async () => {
      const [one] = sources as [CampaignSource];
      const broken: CampaignSource = {
        facts: { ...one.facts, id: "c-broken" },
        jobs: one.jobs.map((job) => ({
          ...job,
          cell: { ...job.cell, campaign: "c-broken" },
          read: (at) => (at === 2 ? Promise.reject(new SaiError("internal", "wrong hash")) : job.read(at)),
        })),
        summary: async () => undefined,
      };
      const { records, problem } = await ingest(1, broken);
      expect({ records, problem }).toEqual({ records: 320, problem: "j0: wrong hash; j1: wrong hash" });
      await forgetCampaign(db, 1, "c-broken");
      expect(foundRows(await db.query(FOUND_ROWS))).toEqual(expectedRows(folder));
    });

    test("the leaderboard: the newest of the same, the best first, also where less is better", async () => {
      const board = await leaderboard(db, 1, { ...ANY, limit: 10 });
      expect(board).toMatchObject({ metric: "exact_match", unit: "ratio", higherIsBetter: true, total: 2 });
      expect(board.metrics).toEqual(["exact_match", "latency"]);
      expect(board.places.map(({ campaign, job, value }) => [campaign, job, value.toFixed(2)])).toEqual([
        ["c-1", "j1", "0.61"],
        ["c-1", "j0", "0.51"],
      ]);
      const latency = await leaderboard(db, 1, {
        ...ANY,
        metric: "latency",
        all: true,
        model: "*j1",
        limit: 1,
      });
      expect(latency).toMatchObject({
        total: 2,
        places: [{ campaign: "c-1", value: 9, e2eP50Ms: 11, rank: undefined }],
      });
      expect((await leaderboard(db, 1, { ...ANY, model: "model%", limit: 9 })).places).toEqual([]);
    });

    test("samples by conditions, page by page: all of them once, in order, as counted from the files", async () => {
      const wanted = expectedRows(folder).map((row) => JSON.parse(row) as unknown[]);
      const where = ["status!=ok", "score.exact_match>=1", "flag!=truncated", "campaign=c-*", "ordinal<150"];
      const count = wanted.filter(
        (r) => r[5] !== "ok" && scoreOf(r) >= 1 && !flagsOf(r) && Number(r[2]) < 150,
      ).length;
      const seen: string[] = [];
      let cursor = "";
      do {
        const page = await findSamples(db, 1, { where, size: 7, cursor });
        seen.push(...page.samples.map(({ campaign, job, ordinal }) => `${campaign} ${job} ${ordinal}`));
        cursor = page.cursor;
      } while (cursor !== "");
      expect(seen.length).toBe(count);
      expect(new Set(seen).size).toBe(count);
      expect(count).toBeGreaterThan(20);
    });

    test("a time's distribution is that of the raw values", async () => {
      const values = expectedRows(folder)
        .map((row) => JSON.parse(row) as unknown[])
        .filter((r) => r[1] === "j1" && r[13] !== null)
        .map((r) => Number(r[13]))
        .sort((a, b) => a - b);
      const found = await timesOfSamples(db, 1, { where: ["job=j1"], time: "e2e_ms" });
      expect(found.n).toBe(values.length);
      expect(found.percentiles[0]).toBe(values[0]);
      expect(found.percentiles[5]).toBe(values.at(-1));
      const at = (values.length - 1) / 2;
      const median = ((values[Math.floor(at)] ?? 0) + (values[Math.ceil(at)] ?? 0)) / 2;
      expect(found.percentiles[1]).toBeCloseTo(median, 9);
    });

    test("costs by model, campaign and day: what no record says is not there", async () => {
      const rows = expectedRows(folder).map((row) => JSON.parse(row) as unknown[]);
      const all = { sinceMs: 0, limit: 10 };
      const byCampaign = await costs(db, 1, { ...all, by: "campaign" });
      expect(byCampaign.total).toBe(new Set(rows.map((r) => r[0])).size);
      const sum = (at: number) => rows.reduce((total, r) => total + Number(r[at] ?? 0), 0);
      const of = (name: "usd" | "tokensIn" | "tokensOut" | "samples") =>
        byCampaign.rows.reduce((total, row) => total + (row[name] ?? 0), 0);
      expect(of("samples")).toBe(rows.length);
      expect(of("tokensIn")).toBe(sum(16));
      expect(of("tokensOut")).toBe(sum(17));
      expect(of("usd")).toBeCloseTo(sum(18), 9);
      const [day] = (await costs(db, 1, { ...all, by: "day" })).rows;
      expect(day).toMatchObject({ name: "2023-11-14", campaigns: byCampaign.total });
      expect((await costs(db, 1, { ...all, by: "tenant", sinceMs: 1_800_000_000_000 })).rows).toEqual([]);
      await db.query("update sai_results.sample set cost_usd = null where generation = 1");
      const [none] = (await costs(db, 1, { ...all, by: "tenant" })).rows;
      expect(none).toMatchObject({ name: "default", usd: undefined, samples: rows.length });
      expect(none?.unpriced).toBeGreaterThan(0);
    });

    test("pairs by pair_key: failed samples score 0, other truths and lonely samples are counted", async () => {
      const rows = expectedRows(folder).map((row) => JSON.parse(row) as unknown[]);
      const of = (c: string, j: string) =>
        new Map(rows.filter((r) => r[0] === c && r[1] === j).map((r) => [r[2], scoreOf(r)]));
      const [a, b] = [of("c-0", "j0"), of("c-1", "j1")];
      const higher = [...a].filter(([ordinal, score]) => score > (b.get(ordinal) ?? 0)).length;
      const names = { a: { campaign: "c-0", job: "j0" }, b: { campaign: "c-1", job: "j1" } };
      const pairs = await pairSamples(db, 1, { ...names, score: "exact_match", limit: 3 });
      expect(pairs).toMatchObject({ n: 200, aHigher: higher, otherTruth: 0, aAlone: 0, bAlone: 0 });
      expect(pairs.flips).toHaveLength(3);
      const missing = pairSamples(db, 1, {
        ...names,
        b: { campaign: "c-9", job: "j" },
        score: "x",
        limit: 0,
      });
      await expect(missing).rejects.toMatchObject({ code: "not_found" });
    });

    test("a new generation is built beside the one that answers, and takes its place whole", async () => {
      const before = await leaderboard(db, 1, { ...ANY, limit: 10 });
      expect(await beginGeneration(db, CLUSTER)).toBe(2);
      expect(await beginGeneration(db, CLUSTER)).toBe(2);
      for (const source of sources) await ingest(2, source);
      expect(await leaderboard(db, 1, { ...ANY, limit: 10 })).toEqual(before);
      expect(await openGenerations(db, CLUSTER)).toEqual({ current: 1, building: 2 });
      await switchGeneration(db, 2);
      expect(await openGenerations(db, CLUSTER)).toEqual({ current: 2, building: undefined });
      expect(foundRows(await db.query(FOUND_ROWS))).toEqual(expectedRows(folder));
      expect(await db.query("select distinct generation from sai_results.cell")).toEqual([{ generation: 2 }]);
      expect(await db.query("select to_regclass('sai_results.sample_1')::text is null as gone")).toEqual([
        { gone: true },
      ]);
      await expect(switchGeneration(db, 2)).rejects.toThrow(/is not being built/);
      const old = findSamples(db, 2, { where: [], size: 1, cursor: "1.1.1" });
      await expect(old).rejects.toMatchObject({ violations: [{ description: /rebuilt since/ }] });
    });

    test("rows that an earlier version made in another way are made anew, once", async () => {
      await db.query("update sai_results.generation set layout = 0");
      expect(await openGenerations(db, CLUSTER)).toEqual({ current: 2, building: 3 });
      expect(await openGenerations(db, CLUSTER)).toEqual({ current: 2, building: 3 });
    });
  });
}

type Tail<F> = F extends (db: Database, ...rest: infer R) => unknown ? R : never;
const scoreOf = (row: unknown[]): number =>
  (row[21] as [string, number][]).find(([name]) => name === "exact_match")?.[1] ?? 0;
const flagsOf = (row: unknown[]): boolean => (row[20] as string[] | null)?.includes("truncated") ?? false;
