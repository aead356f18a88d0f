/** `sai result costs`: what campaigns that have ended cost, by model, tenant, campaign or day. */
import type { Command } from "commander";
import { GetCostsResponse } from "../client.js";
import { withClient } from "../connection.js";
import { say } from "../context.js";
import { usageError } from "../exit.js";
import { withExamples } from "../help.js";
import { painter } from "../output/color.js";
import { printOne } from "../output/print.js";
import { formatValue } from "../output/quantity.js";
import { type Column, tableLines } from "../output/table.js";
import type { Bind } from "../program.js";
import { sayBehind } from "./result-index.js";

type CostRow = GetCostsResponse["rows"][number];

const BY = ["model", "tenant", "campaign", "day"];
const DAY_MS = 86_400_000;

export function registerResultCosts(noun: Command, bind: Bind): void {
  withExamples(
    noun
      .command("costs")
      .description("what campaigns that have ended cost, as far as their records say")
      .option("--by <what>", "model, tenant, campaign or day (of their end, UTC)", "model")
      .option("--since <when>", "only those that ended since: 2026-01-31, 2026-01-31T12:00:00Z or 30d")
      .option("--limit <n>", "at most so many rows", "100"),
    "sai result costs --by tenant --since 30d",
  ).action(
    bind<{ by: string; since?: string; limit: string }>((context, _, { by, since, limit }) => {
      if (!BY.includes(by)) throw usageError(`--by: ${by} is not one of ${BY.join(", ")}`);
      const rows = Number(limit);
      if (!Number.isInteger(rows) || rows < 1 || rows > 1000)
        throw usageError(`--limit: ${limit} is not a whole number from 1 to 1000`);
      const from = since === undefined ? undefined : sinceOf(since, context.io.clock.wallMs());
      return withClient(context, async (client) => {
        const answer = await client.costs({ by, since: from, limit: rows });
        const paint = painter(context.flags.color && context.io.outIsTty);
        await printOne(context, {
          json: GetCostsResponse.toJSON(answer),
          name: answer.rows.map(({ name }) => name).join("\n"),
          text: () =>
            answer.rows.length === 0
              ? ["no campaign has ended in that time"]
              : tableLines(columns(by), answer.rows, { paint }),
        });
        if (answer.total > answer.rows.length)
          say(
            context,
            `there are more: these are ${answer.rows.length} of ${answer.total}; --limit shows more`,
          );
        sayBehind(context, answer.behind);
      });
    }),
  );
}

/** A day, a time, or so many days or hours ago. */
function sinceOf(text: string, nowMs: number): Date {
  const [, n, unit] = /^(\d{1,5})([dh])$/.exec(text) ?? [];
  const agoMs = Number(n) * (unit === "h" ? DAY_MS / 24 : DAY_MS);
  const isTime = /^\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d))?$/.test(text);
  const ms = n === undefined ? (isTime ? Date.parse(text) : Number.NaN) : Math.max(0, nowMs - agoMs);
  if (Number.isFinite(ms)) return new Date(ms);
  throw usageError(`--since: ${text} is no day (2026-01-31), time (2026-01-31T12:00:00Z) or age (30d, 12h)`);
}

const columns = (by: string): Column<CostRow>[] => [
  { title: by.toUpperCase(), value: ({ name }) => name },
  { title: "CAMPAIGNS", align: "right", value: ({ campaigns }) => String(campaigns) },
  { title: "SAMPLES", align: "right", value: ({ samples }) => String(samples) },
  {
    title: "COST",
    align: "right",
    value: ({ usd }) => (usd === undefined ? "n/a" : formatValue(usd, "usd")),
  },
  { title: "WITHOUT A PRICE", align: "right", value: ({ unpriced }) => String(unpriced) },
  { title: "TOKENS IN", align: "right", value: ({ tokensIn }) => String(tokensIn ?? "n/a") },
  { title: "TOKENS OUT", align: "right", value: ({ tokensOut }) => String(tokensOut ?? "n/a") },
];
