import { expect, test } from "vitest";
import { everyPage, type PageRequest } from "./every-page.js";

const pages: { [token: string]: { some: number[]; nextPageToken: string } } = {
  "": { some: [1, 2], nextPageToken: "b" },
  b: { some: [], nextPageToken: "c" },
  c: { some: [3], nextPageToken: "" },
};

test("all pages come in their order", async () => {
  const asked: PageRequest[] = [];
  const all = await everyPage(async (page) => {
    asked.push(page);
    return pages[page.pageToken] ?? { some: [], nextPageToken: "" };
  });
  expect(all).toEqual([1, 2, 3]);
  expect(asked.map(({ pageToken }) => pageToken)).toEqual(["", "b", "c"]);
});

test("a page that follows itself is an error, not an endless list", async () => {
  await expect(everyPage(async () => ({ some: [1], nextPageToken: "x" }))).rejects.toThrow(
    "the page after x is itself",
  );
});
