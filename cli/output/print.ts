/**
 * Data on stdout in the format the user asked for. A noun says how its rows look as a table, what its JSON is and
 * what its names are; everything else is the same for all nouns. JSON is the API's own (proto3 JSON), so that a script
 * written against `-o json` can move to HTTP unchanged.
 */
import { dump } from "js-yaml";
import type { Context } from "../context.js";
import { asTyped } from "../invocation.js";
import { painter } from "./color.js";
import { type Column, tableLines } from "./table.js";

export interface Listing<Row> {
  columns: readonly Column<Row>[];
  json(row: Row): unknown;
  name(row: Row): string;
  /** Printed to stderr instead of an empty table. */
  none: string;
}

/** Prints a list of rows. */
export async function printRows<Row>(
  context: Context,
  rows: readonly Row[],
  listing: Listing<Row>,
): Promise<void> {
  const { output } = context.flags;
  if (output === "name") return lines(context, rows.map(listing.name));
  if (output === "json") return context.io.out(`${JSON.stringify(rows.map(listing.json), null, 2)}\n`);
  if (output === "jsonl")
    return lines(
      context,
      rows.map((row) => JSON.stringify(listing.json(row))),
    );
  if (output === "yaml") return context.io.out(dump(rows.map(listing.json)));
  if (rows.length === 0) {
    context.io.err(`${asTyped(context.io.env, listing.none)}\n`);
    return;
  }
  const paint = painter(context.flags.color && context.io.outIsTty);
  return lines(context, tableLines(listing.columns, rows, { paint, wide: output === "wide" }));
}

/** Prints one object: as its own text in tables, else as its JSON. */
export async function printOne(
  context: Context,
  one: { json: unknown; name: string; text: () => readonly string[] },
): Promise<void> {
  const { output } = context.flags;
  if (output === "name") return lines(context, [one.name]);
  if (output === "json") return context.io.out(`${JSON.stringify(one.json, null, 2)}\n`);
  if (output === "jsonl") return lines(context, [JSON.stringify(one.json)]);
  if (output === "yaml") return context.io.out(dump(one.json));
  return lines(context, one.text());
}

async function lines(context: Context, texts: readonly string[]): Promise<void> {
  if (texts.length > 0) await context.io.out(`${texts.join("\n")}\n`);
}
