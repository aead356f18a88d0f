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

/**
 * One page of a list in the order of its ids; all of it where no size is asked for, as clients do that know of no pages.
 * The token is the id of the last entry before, which may be gone by now. Throws invalid_argument for a page size above
 * 1000.
 */
export function pageById<T extends { id: string }>(
  all: readonly T[],
  { pageSize: asked, pageToken }: { pageSize: number; pageToken: string },
): { page: readonly T[]; nextPageToken: string } {
  const size = asked === 0 ? all.length : pageSize(asked);
  const first = pageToken === "" ? 0 : all.findIndex(({ id }) => id > pageToken);
  const page = first < 0 ? [] : all.slice(first, first + size);
  const isLast = first < 0 || first + size >= all.length;
  return { page, nextPageToken: isLast ? "" : (page.at(-1)?.id ?? "") };
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
