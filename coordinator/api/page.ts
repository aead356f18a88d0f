import { SaiError } from "../../shared/runtime/errors.js";

const DEFAULT_SIZE = 50;
const MAX_SIZE = 1000;

/**
 * One page of a list. The token is the key of the last entry of the page before, so that entries added meanwhile
 * neither repeat nor hide others. Throws invalid_argument for a page size above 1000 or a token that names no entry.
 */
export function pageOf<T>(
  all: readonly T[],
  request: { pageSize: number; pageToken: string },
  keyOf: (entry: T) => string,
): { page: T[]; nextPageToken: string } {
  const { pageToken } = request;
  const size = pageSize(request.pageSize);
  const from = pageToken === "" ? 0 : all.findIndex((entry) => keyOf(entry) === pageToken) + 1;
  if (pageToken !== "" && from === 0) throw refuse("page_token", "was not given by a previous answer");
  const page = all.slice(from, from + size);
  const last = page.at(-1);
  return { page, nextPageToken: last !== undefined && from + size < all.length ? keyOf(last) : "" };
}

/** The size asked for, 50 by default. Throws invalid_argument above 1000. */
export function pageSize(asked: number): number {
  if (asked > MAX_SIZE) throw refuse("page_size", `is ${asked}, at most ${MAX_SIZE}`);
  return asked === 0 ? DEFAULT_SIZE : asked;
}

export const refuse = (field: string, description: string): SaiError =>
  new SaiError("invalid_argument", "the request cannot be accepted", {
    violations: [{ field, description }],
  });
