/**
 * What well-known models cost at their own providers, as a table with a date: list prices in USD per million tokens, for
 * requests that are answered at once (no batches, no priority). A suite's own `price` goes before it. Prices change:
 * whoever changes a row changes the date, which stands in every record whose cost was computed from here.
 *
 * 1. A price is only used for requests to the provider itself; the same name on another server says nothing.
 * 2. A model that is not in the table has no cost, rather than one that was guessed from a similar name.
 */
import type { TokenCounts } from "./record.js";

/** USD per million tokens. `above`: what all tokens of a request cost whose input is longer than so many tokens. */
export interface TokenPrice {
  in_1m?: number;
  cached_1m?: number;
  out_1m?: number;
  above?: { tokens: number; in_1m: number; cached_1m: number; out_1m: number };
}

/** A price and where it is from: `suite`, or `table` and its date. */
export interface KnownPrice {
  price: TokenPrice;
  source: string;
}

/** The day on which the rows below were compared with the providers' pages. */
export const PRICES_DATE = "2026-11-23";

export type PricedProvider = "openai" | "anthropic";

/** Input, cached input, output; then, where long requests cost more, from how many input tokens on and the same three. */
type Row = readonly [number, number, number, ...([] | [number, number, number, number])];

const TABLE: { readonly [provider in PricedProvider]: { readonly [model: string]: Row } } = {
  openai: {
    "gpt-5.6-sol": [5, 0.5, 30, 272_000, 10, 1, 45],
    "gpt-5.6-terra": [2, 0.2, 12, 272_000, 4, 0.4, 18],
    "gpt-5.6-luna": [0.2, 0.02, 1.2, 200_000, 0.4, 0.04, 1.8],
    "gpt-5.5": [5, 0.5, 30, 272_000, 10, 1, 45],
    "gpt-5.4": [2.5, 0.25, 15, 272_000, 5, 0.5, 22.5],
    "gpt-5.4-mini": [0.75, 0.075, 4.5],
    "gpt-5.4-nano": [0.2, 0.02, 1.25],
    "gpt-5.2": [1.75, 0.175, 14],
    "gpt-5": [1.25, 0.125, 10],
    "gpt-5-mini": [0.25, 0.025, 2],
    "gpt-5-nano": [0.05, 0.005, 0.4],
    "gpt-4.1": [2, 0.5, 8],
    "gpt-4.1-mini": [0.4, 0.1, 1.6],
    "gpt-4.1-nano": [0.1, 0.025, 0.4],
    "gpt-4o": [2.5, 1.25, 10],
    "gpt-4o-2024-05-13": [5, 5, 15],
    "gpt-4o-mini": [0.15, 0.075, 0.6],
    "o4-mini": [1.1, 0.275, 4.4],
    "o3-mini": [1.1, 0.55, 4.4],
  },
  anthropic: {
    "claude-fable-5-1": [10, 0.25, 50],
    "claude-fable-5": [10, 1, 50],
    "claude-opus-5-5": [4, 0.2, 20],
    "claude-opus-5": [5, 0.5, 25],
    "claude-opus-4-8": [5, 0.5, 25],
    "claude-opus-4-7": [5, 0.5, 25],
    "claude-opus-4-6": [5, 0.5, 25],
    "claude-opus-4-5": [5, 0.5, 25],
    "claude-sonnet-5-5": [2, 0.1, 10],
    "claude-sonnet-5": [2, 0.2, 10],
    "claude-sonnet-4-6": [3, 0.3, 15],
    "claude-sonnet-4-5": [3, 0.3, 15],
    "claude-sonnet-4": [3, 0.3, 15],
    "claude-haiku-5-5": [0.1, 0.01, 0.5, 100_000, 0.5, 0.05, 2.5],
    "claude-haiku-4-5": [1, 0.1, 5],
    "claude-3-5-haiku": [0.8, 0.08, 4],
  },
};

/** `gpt-4o-2024-08-06`, `claude-haiku-4-5-20251001`, `claude-3-5-haiku-latest`: dated names and aliases of one model. */
const VERSION = /-(\d{4}-\d{2}-\d{2}|\d{8}|latest|0)$/;

/** The list price of a model of a provider; undefined when the table does not have it. */
export function listPrice(provider: PricedProvider, model: string): KnownPrice | undefined {
  const rows = TABLE[provider];
  const name = Object.hasOwn(rows, model) ? model : model.replace(VERSION, "");
  const row = Object.hasOwn(rows, name) ? rows[name] : undefined;
  if (row === undefined) return undefined;
  const [in_1m, cached_1m, out_1m, tokens, longIn, longCached, longOut] = row;
  const isTiered = tokens !== undefined && longIn !== undefined;
  const above = isTiered && {
    above: { tokens, in_1m: longIn, cached_1m: longCached ?? longIn, out_1m: longOut ?? out_1m },
  };
  return { price: { in_1m, cached_1m, out_1m, ...above }, source: `table ${PRICES_DATE}` };
}

/** USD of an answer's tokens, reasoning among those out. Undefined without token prices or token counts. */
export function costUsd(price: TokenPrice | undefined, tokens: TokenCounts): number | undefined {
  if (price?.in_1m === undefined && price?.out_1m === undefined) return undefined;
  if (tokens.in === undefined || tokens.out === undefined) return undefined;
  const { above } = price;
  const per = above !== undefined && tokens.in > above.tokens ? above : price;
  const cached = per.cached_1m === undefined ? 0 : Math.min(tokens.cached ?? 0, tokens.in);
  const input = (tokens.in - cached) * (per.in_1m ?? 0) + cached * (per.cached_1m ?? 0);
  return (input + tokens.out * (per.out_1m ?? 0)) / 1e6;
}

/** For each kind of token the higher of two prices, for whoever must not count too little. */
export function higherPrice(a: TokenPrice, b: TokenPrice | undefined): TokenPrice {
  if (b === undefined) return a;
  const higher = (x: number | undefined, y: number | undefined) => Math.max(x ?? 0, y ?? 0);
  // What is not told apart as cached costs what input costs.
  const cached = higher(a.cached_1m ?? a.in_1m, b.cached_1m ?? b.in_1m);
  const above = a.above ?? b.above;
  return {
    in_1m: higher(a.in_1m, b.in_1m),
    cached_1m: cached,
    out_1m: higher(a.out_1m, b.out_1m),
    ...(above && {
      above: {
        tokens: above.tokens,
        in_1m: higher(above.in_1m, higher(a.in_1m, b.in_1m)),
        cached_1m: higher(above.cached_1m, cached),
        out_1m: higher(above.out_1m, higher(a.out_1m, b.out_1m)),
      },
    }),
  };
}
