import { expect, test } from "vitest";
import { pageById } from "./page.js";

const nodes = (...ids: string[]) => ids.map((id) => ({ id }));

test("pages follow each other, without the one in between that is gone", () => {
  const first = pageById(nodes("a", "b", "c", "d", "e"), { pageSize: 2, pageToken: "" });
  expect(first).toEqual({ page: nodes("a", "b"), nextPageToken: "b" });
  const second = pageById(nodes("a", "c", "d", "e"), { pageSize: 2, pageToken: "b" });
  expect(second).toEqual({ page: nodes("c", "d"), nextPageToken: "d" });
  const last = pageById(nodes("a", "c", "d", "e"), { pageSize: 2, pageToken: "d" });
  expect(last).toEqual({ page: nodes("e"), nextPageToken: "" });
  expect(pageById(nodes("a"), { pageSize: 2, pageToken: "d" })).toEqual({ page: [], nextPageToken: "" });
});

test("whoever asks for no size gets all, and more than a thousand is refused", () => {
  const all = nodes(...Array.from({ length: 3000 }, (_, i) => String(i).padStart(5, "0")));
  expect(pageById(all, { pageSize: 0, pageToken: "" })).toEqual({ page: all, nextPageToken: "" });
  expect(pageById(all, { pageSize: 1000, pageToken: "" }).nextPageToken).toBe("00999");
  expect(() => pageById(all, { pageSize: 1001, pageToken: "" })).toThrow("the request cannot be accepted");
  expect(pageById([], { pageSize: 10, pageToken: "" })).toEqual({ page: [], nextPageToken: "" });
});
